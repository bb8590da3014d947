package bench

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/google/uuid"

	"gxcoin.money/gx/api/client"
	"gxcoin.money/gx/internal/demo"
)

// amount is what every payment pays, in Qirat: little, but a fee is due abroad.
const amount = "10000"

// caller sends the same request of a person over a connection of its own, with as
// little work as it can: what it uses the system can't have.
type caller struct {
	from    *demo.Customer
	status  int // of an answer
	conn    net.Conn
	answers *bufio.Reader
	head    []byte // of every request, up to the key
	tail    []byte // from the key on

	took    []time.Duration
	refused int    // that the service had no time for
	last    []byte // body of the last answer
}

// newCaller connects a caller for a request of from, who pays to when it is a payment.
func (b *bench) newCaller(ctx context.Context, r request, from, to *demo.Customer) (*caller, error) {
	u, err := url.Parse(b.o.Services[r.service])
	if err != nil || u.Scheme != "http" {
		return nil, fmt.Errorf("the load needs an http address of %s, not %q", r.service, b.o.Services[r.service])
	}
	// Whatever renews the session makes the token last for a round.
	if _, err := from.Client.GetMe(ctx); err != nil {
		return nil, err
	}
	tokens, _ := from.Client.Tokens()
	var body []byte
	if r.body != nil {
		if body, err = json.Marshal(r.body(from, to)); err != nil {
			return nil, err
		}
	}
	c := &caller{from: from, status: r.status}
	c.head = fmt.Appendf(nil, "%s %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: gx-bench\r\nAccept: application/json\r\n", r.method, r.path, u.Host)
	if body != nil {
		c.head = fmt.Appendf(c.head, "Content-Type: application/json\r\nContent-Length: %d\r\n", len(body))
	}
	c.head = fmt.Appendf(c.head, "Authorization: Bearer %s\r\nIdempotency-Key: bench-", tokens.AccessToken)
	c.tail = fmt.Appendf(nil, "\r\n\r\n%s", body)
	if c.conn, err = new(net.Dialer).DialContext(ctx, "tcp", u.Host); err != nil {
		return nil, err
	}
	c.answers = bufio.NewReader(c.conn)
	return c, nil
}

// run sends requests until the time is over.
func (c *caller) run(until time.Time) error {
	if err := c.conn.SetDeadline(until.Add(answerWithin)); err != nil {
		return err
	}
	buf := make([]byte, 0, len(c.head)+len(c.tail)+64)
	for {
		begin := time.Now()
		if !begin.Before(until) {
			return nil
		}
		buf = append(append(append(buf[:0], c.head...), uuid.NewString()...), c.tail...)
		if _, err := c.conn.Write(buf); err != nil {
			return err
		}
		resp, err := http.ReadResponse(c.answers, nil)
		if err != nil {
			return err
		}
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			return err
		}
		switch resp.StatusCode {
		case c.status:
			c.took, c.last = append(c.took, time.Since(begin)), body
		case http.StatusServiceUnavailable:
			c.refused++
		default:
			return fmt.Errorf("%s: %s: %s", bytes.TrimSuffix(c.head[:bytes.IndexByte(c.head, '\r')], []byte(" HTTP/1.1")), resp.Status, body)
		}
	}
}

// callers connects each client for a request.
func (b *bench) callers(ctx context.Context, r request) (all []*caller, hangUp func(), err error) {
	hangUp = func() {
		for _, c := range all {
			_ = c.conn.Close() // everything was read
		}
	}
	for i := range b.o.Clients {
		c, err := b.newCaller(ctx, r, b.people[i], b.people[b.o.Clients+i])
		if err != nil {
			hangUp()
			return nil, nil, err
		}
		all = append(all, c)
	}
	return all, hangUp, nil
}

// together lets callers send for a while; it returns when the last has its answer.
func together(all []*caller, until time.Time) error {
	errs := make([]error, len(all))
	var wg sync.WaitGroup
	for i, c := range all {
		wg.Go(func() { errs[i] = c.run(until) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// answerWithin is how long an answer may take.
const answerWithin = 15 * time.Second

// burst is one round of payments by all clients at once.
type burst struct {
	begin     time.Time
	accepted  int
	refused   int
	accepting time.Duration // until the last answer
	visible   time.Duration // from begin until every payment can be read
	took      []time.Duration
}

// burst lets each client pay as fast as it can for a while, calls accepted, and waits
// until every payment is visible: the last of each payer, since those of one
// account keep their order.
func (b *bench) burst(ctx context.Context, d time.Duration, accepted func()) (burst, error) {
	payers, hangUp, err := b.callers(ctx, payment)
	if err != nil {
		return burst{}, err
	}
	defer hangUp()
	out := burst{begin: time.Now()}
	err = together(payers, out.begin.Add(d))
	out.accepting = time.Since(out.begin)
	accepted()
	if err != nil {
		return out, err
	}
	for _, p := range payers {
		out.accepted += len(p.took)
		out.refused += p.refused
		out.took = append(out.took, p.took...)
		if p.last == nil {
			continue
		}
		var r client.Receipt
		if err := json.Unmarshal(p.last, &r); err != nil {
			return out, err
		}
		v, err := p.from.Client.Await(ctx, r.CommandID, client.At("tokenomics"))
		if err != nil {
			return out, err
		}
		if v.Status != client.CommandStatusCONFIRMED {
			return out, fmt.Errorf("payment %s was refused: %s", v.CommandID, v.ErrorCode)
		}
	}
	out.visible = time.Since(out.begin)
	return out, nil
}

// trickle is payments at a fixed rate, whatever the answers do.
type trickle struct{ accept, visible []time.Duration }

// trickle sends payments at the light rate for a while. Times count from when a
// payment was due, so that a late one is not left out.
func (b *bench) trickle(ctx context.Context, d time.Duration) (trickle, error) {
	n := max(int(d.Seconds()*float64(b.o.LightRate)), 1)
	out := trickle{make([]time.Duration, n), make([]time.Duration, n)}
	errs := make([]error, n)
	tick := time.NewTicker(time.Second / time.Duration(b.o.LightRate))
	defer tick.Stop()
	var wg sync.WaitGroup
	for i := range n {
		var due time.Time
		select {
		case due = <-tick.C:
		case <-ctx.Done():
			return out, ctx.Err()
		}
		wg.Go(func() {
			from, to := b.people[i%len(b.people)], b.people[(i+b.o.Clients)%len(b.people)]
			r, err := from.Client.CreateTransfer(ctx, client.Payment{ToID: to.Account, Amount: amount, Reason: "bench"})
			out.accept[i] = time.Since(due)
			if err == nil {
				_, err = from.Client.Await(ctx, r.CommandID, client.At("tokenomics"))
			}
			out.visible[i], errs[i] = time.Since(due), err
		})
	}
	wg.Wait()
	return out, errors.Join(errs...)
}
