package bench

import (
	"bufio"
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

// payer sends payments from one person to another over a connection of its own,
// with as little work as it can: what it uses the system can't have.
type payer struct {
	from, to *demo.Customer
	conn     net.Conn
	answers  *bufio.Reader
	head     []byte // of every request, up to the key
	tail     []byte // from the key on

	took []time.Duration
	last []byte // body of the last answer
}

func newPayer(ctx context.Context, tokenomics string, from, to *demo.Customer) (*payer, error) {
	u, err := url.Parse(tokenomics)
	if err != nil || u.Scheme != "http" {
		return nil, fmt.Errorf("the load needs an http address of tokenomics, not %q", tokenomics)
	}
	// Whatever renews the session makes the token last for a round.
	if _, err := from.Client.GetMe(ctx); err != nil {
		return nil, err
	}
	tokens, _ := from.Client.Tokens()
	body, err := json.Marshal(client.Payment{ToID: to.Account, Amount: amount, Reason: "bench"})
	if err != nil {
		return nil, err
	}
	p := &payer{from: from, to: to}
	p.head = fmt.Appendf(nil, "POST /api/v1/transfers HTTP/1.1\r\nHost: %s\r\nUser-Agent: gx-bench\r\nAccept: application/json\r\nContent-Type: application/json\r\nContent-Length: %d\r\nAuthorization: Bearer %s\r\nIdempotency-Key: bench-",
		u.Host, len(body), tokens.AccessToken)
	p.tail = fmt.Appendf(nil, "\r\n\r\n%s", body)
	if p.conn, err = new(net.Dialer).DialContext(ctx, "tcp", u.Host); err != nil {
		return nil, err
	}
	p.answers = bufio.NewReader(p.conn)
	return p, nil
}

// run pays until the time is over.
func (p *payer) run(until time.Time) error {
	if err := p.conn.SetDeadline(until.Add(answerWithin)); err != nil {
		return err
	}
	buf := make([]byte, 0, len(p.head)+len(p.tail)+64)
	for {
		begin := time.Now()
		if !begin.Before(until) {
			return nil
		}
		buf = append(append(append(buf[:0], p.head...), uuid.NewString()...), p.tail...)
		if _, err := p.conn.Write(buf); err != nil {
			return err
		}
		resp, err := http.ReadResponse(p.answers, nil)
		if err != nil {
			return err
		}
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			return err
		}
		if resp.StatusCode != http.StatusAccepted {
			return fmt.Errorf("a payment was not accepted: %s: %s", resp.Status, body)
		}
		p.took, p.last = append(p.took, time.Since(begin)), body
	}
}

// answerWithin is how long an answer may take.
const answerWithin = 15 * time.Second

// burst is one round of payments by all clients at once.
type burst struct {
	begin     time.Time
	accepted  int
	accepting time.Duration // until the last answer
	visible   time.Duration // from begin until every payment can be read
	took      []time.Duration
}

// burst lets each client pay as fast as it can for a while, calls accepted, and waits
// until every payment is visible: the last of each payer, since those of one
// account keep their order.
func (b *bench) burst(ctx context.Context, d time.Duration, accepted func()) (burst, error) {
	payers := make([]*payer, b.o.Clients)
	defer func() {
		for _, p := range payers {
			if p != nil {
				_ = p.conn.Close() // everything was read
			}
		}
	}()
	for i := range payers {
		var err error
		if payers[i], err = newPayer(ctx, b.o.Services["tokenomics"], b.people[i], b.people[len(payers)+i]); err != nil {
			return burst{}, err
		}
	}
	out := burst{begin: time.Now()}
	until := out.begin.Add(d)
	errs := make([]error, len(payers))
	var wg sync.WaitGroup
	for i, p := range payers {
		wg.Go(func() { errs[i] = p.run(until) })
	}
	wg.Wait()
	out.accepting = time.Since(out.begin)
	accepted()
	if err := errors.Join(errs...); err != nil {
		return out, err
	}
	for _, p := range payers {
		out.accepted += len(p.took)
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
