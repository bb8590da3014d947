package fabric

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hyperledger/fabric-protos-go-apiv2/gateway"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"gxcoin.money/gx/internal/ledger"
	"gxcoin.money/gx/internal/platform/clock"
)

// unavailable reports that a call had no effect and may be repeated.
func unavailable(doing string, err error) error {
	return fmt.Errorf("%w: %s: %w", ledger.ErrUnavailable, doing, err)
}

// failure is what became of a proposal.
type failure struct {
	cause        error
	refusal      *ledger.ContractError // the contract said no
	disagreement bool                  // organizations answered differently
}

// Error is short: the details were logged.
func (f *failure) Error() string {
	if f.disagreement {
		return "organizations answer differently"
	}
	return status.Convert(f.cause).Message()
}

func (f *failure) Unwrap() error { return f.cause }

// refused matches how a gateway passes on a response of our chaincode that
// refuses: status 4xx (see package contract/chaincode). Any other failure comes
// from around the contract.
var refused = regexp.MustCompile(`(?s)^chaincode response 4\d\d, (.*)$`)

// diagnose explains the failure of a proposal to organizations, or of a query
// when there are none.
func diagnose(err error, endorsers []string) *failure {
	f := &failure{cause: err}
	var refusing []string
	message := ""
	for _, d := range details(err) {
		if m := refused.FindStringSubmatch(d.GetMessage()); m != nil {
			if len(refusing) == 0 {
				message = m[1]
			}
			refusing = append(refusing, d.GetMspId())
		} else if strings.Contains(d.GetMessage(), "ProposalResponsePayloads do not match") {
			f.disagreement = true
		}
	}
	all := len(refusing) > 0
	for _, msp := range endorsers {
		all = all && slices.Contains(refusing, msp)
	}
	switch {
	case all:
		f.refusal, f.disagreement = &ledger.ContractError{Message: message}, false
	case len(refusing) > 0 && len(refusing) == len(details(err)):
		f.disagreement = true // some refused, and nothing else went wrong
	}
	return f
}

// details are what peers said.
func details(err error) (out []*gateway.ErrorDetail) {
	for _, d := range status.Convert(err).Details() {
		if d, ok := d.(*gateway.ErrorDetail); ok {
			out = append(out, d)
		}
	}
	return out
}

// said lists the details for a log.
func said(err error) (lines []string) {
	for _, d := range details(err) {
		lines = append(lines, fmt.Sprintf("%s of %s: %s", d.GetAddress(), d.GetMspId(), d.GetMessage()))
	}
	return lines
}

func code(err error) codes.Code { return status.Code(err) }

// transient reports a failure that says nothing about the transaction itself.
func transient(err error) bool {
	switch code(err) {
	case codes.Unavailable, codes.ResourceExhausted, codes.DeadlineExceeded, codes.Canceled:
		return true
	}
	return false
}

// busy reports that a peer refused to begin because it is at its limit of
// concurrent requests, which it says in words only.
func busy(err error) bool {
	limited := func(message string) bool { return strings.Contains(message, "exceeding concurrency limit") }
	return err != nil && (code(err) == codes.ResourceExhausted || limited(err.Error()) ||
		slices.ContainsFunc(details(err), func(d *gateway.ErrorDetail) bool { return limited(d.GetMessage()) }))
}

const (
	minBusy = 20 * time.Millisecond // before a peer at its limit is asked again
	maxBusy = time.Second
)

// patiently calls again while peers are at their limit, which slows down those
// who wait for us. Nothing has happened, so that even a submit may be repeated.
func (l *Ledger) patiently(ctx context.Context, call func() error) error {
	for wait := minBusy; ; wait = min(2*wait, maxBusy) {
		err := call()
		if !busy(err) || ctx.Err() != nil {
			return err
		}
		l.metrics.failures.WithLabelValues("busy").Inc()
		pause(ctx, wait)
	}
}

// quietFor is how long a failure of one kind is not logged again.
const quietFor = 5 * time.Second

// quiet keeps an outage from flooding the log.
type quiet struct {
	clock clock.Clock

	mu   sync.Mutex
	last map[string]time.Time
	held map[string]int
}

// may reports whether to log a failure now, and how many were held back before.
func (q *quiet) may(kind string) (held int, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.last == nil {
		q.last, q.held = make(map[string]time.Time), make(map[string]int)
	}
	now := q.clock()
	if now.Sub(q.last[kind]) < quietFor {
		q.held[kind]++
		return 0, false
	}
	held = q.held[kind]
	q.last[kind], q.held[kind] = now, 0
	return held, true
}
