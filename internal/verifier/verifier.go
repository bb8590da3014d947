// Package verifier proves that the read model is what the ledger says. It
// compares every key of the ledger's state with its rows and every row with its
// keys, the money with the supply, the blocks with their hashes and with the
// log of events, and the end of every command with its receipt.
//
// It works beside live traffic. What differs at first sight is looked at again
// until one of three things is certain: the two agree as of one moment, they
// differ although neither changes any more, or, after a bounded time, that the
// key never stood still. What the ledger's state does not tell, since only events
// have it, a replay of all events compares as of one checkpoint.
package verifier

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"gxcoin.money/gx/internal/ledger"
	"gxcoin.money/gx/internal/platform/postgres"
	"gxcoin.money/gx/internal/readmodel"
	"gxcoin.money/gx/protocol/qirat"
)

var (
	// ErrBehind reports a read model that does not follow the ledger: nothing
	// can be said about it.
	ErrBehind = errors.New("verifier: the read model does not follow the ledger")
	// ErrForeign reports a read model with more blocks than the ledger: it was
	// made from another one.
	ErrForeign = errors.New("verifier: the read model is not of this ledger")
	// ErrViolation is the error of a report with violations.
	ErrViolation = errors.New("verifier: the read model is not what the ledger says")
	// ErrUnsettled is the error of a report without violations in which some
	// keys could not be compared.
	ErrUnsettled = errors.New("verifier: some keys never stood still")
)

// Options of a verification. Zero values take the defaults.
type Options struct {
	Rate     int           // keys, rows and blocks a second; 0: as fast as it goes
	Patience time.Duration // bounds every wait for the projector, and the time that a key gets to stand still; default 30 s
	Confirm  time.Duration // between two looks at what differs; default 250 ms
	Replay   bool          // also make the read model again from the ledger, and compare all of it; db must be a pool
	Progress func(Progress)
}

func (o Options) withDefaults() Options {
	if o.Patience <= 0 {
		o.Patience = 30 * time.Second
	}
	if o.Confirm <= 0 {
		o.Confirm = 250 * time.Millisecond
	}
	if o.Progress == nil {
		o.Progress = func(Progress) {}
	}
	return o
}

// Progress says what is being compared and how much was compared so far.
type Progress struct {
	Subject    string
	Compared   uint64 // of all subjects
	Violations int
}

// Report is the result of a verification.
type Report struct {
	Height     uint64      `json:"height"` // blocks of the ledger at the beginning: everything is as of then or later
	Compared   []Count     `json:"compared"`
	Supply     Supply      `json:"supply"`
	Violations []Violation `json:"violations"`
	Unsettled  []Place     `json:"unsettled"` // changed whenever they were looked at
	StartedAt  time.Time   `json:"startedAt"`
	Seconds    float64     `json:"seconds"`
}

// Count says how much of a subject was compared.
type Count struct {
	Subject string `json:"subject"` // object type of ledger state, or "hashes", "blocks", "events", "commands", "replay"
	Ledger  uint64 `json:"ledger"`  // keys on the ledger
	Rows    uint64 `json:"rows"`    // of the read model
}

// Supply is where the money is, in Qirat.
type Supply struct {
	Max    qirat.Amount  `json:"max"`
	Read   qirat.Amount  `json:"read"`            // sum of all accounts in one snapshot
	Ledger *qirat.Amount `json:"ledger,omitzero"` // sum of all accounts; nil when blocks arrived during the count
}

// Place names what is compared.
type Place struct {
	Subject string   `json:"subject"`
	Key     []string `json:"key"`   // attributes of the ledger key, or what identifies the row
	Table   string   `json:"table"` // of the read model
}

// Violation is one difference that was confirmed.
type Violation struct {
	Place
	Field  string `json:"field,omitzero"` // empty: one side has nothing
	Ledger string `json:"ledger"`
	Read   string `json:"read"`
}

// String says in one line where the difference is.
func (v Violation) String() string {
	at := fmt.Sprintf("%s %q in %s", v.Subject, v.Key, v.Table)
	if v.Field != "" {
		at += ", " + v.Field
	}
	return fmt.Sprintf("%s: the ledger has %s, the read model %s", at, v.Ledger, v.Read)
}

// Err returns nil when everything was compared and agrees.
func (r *Report) Err() error {
	switch {
	case len(r.Violations) > 0:
		return fmt.Errorf("%w: %s (violations: %d)", ErrViolation, r.Violations[0], len(r.Violations))
	case len(r.Unsettled) > 0:
		return fmt.Errorf("%w: %d, %s %q among them", ErrUnsettled, len(r.Unsettled), r.Unsettled[0].Subject, r.Unsettled[0].Key)
	}
	return nil
}

// Total returns how much was compared.
func (r *Report) Total() (n uint64) {
	for _, c := range r.Compared {
		n += c.Ledger + c.Rows
	}
	return n
}

// Verify compares everything once. db is a pool with the rights of gx_verifier.
// An error means that the verification could not be made; what it found is in
// the report.
func Verify(ctx context.Context, db postgres.DB, l ledger.Ledger, o Options) (*Report, error) {
	p := &pass{db: db, ledger: l, o: o.withDefaults(), begin: time.Now(), report: &Report{Violations: []Violation{}, Unsettled: []Place{}}}
	p.report.StartedAt = p.begin.UTC()
	height, err := p.height(ctx)
	if err != nil {
		return nil, err
	}
	p.report.Height = height
	if c, err := readmodel.Checkpoint(ctx, db); err != nil {
		return nil, fmt.Errorf("verifier: %w", err)
	} else if c.Block >= int64(height) {
		if height, err = p.height(ctx); err != nil {
			return nil, err
		} else if c.Block >= int64(height) {
			return nil, fmt.Errorf("%w: it has block %d of a ledger with %d blocks", ErrForeign, c.Block, height)
		}
	}
	if err := p.await(ctx, height); err != nil {
		return nil, err
	}
	steps := []func(context.Context) error{p.chain, p.state, p.supply, p.outcomes}
	if p.o.Replay {
		steps = append(steps, p.replay)
	}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	r := p.report
	slices.SortFunc(r.Violations, func(a, b Violation) int {
		return cmp.Or(cmp.Compare(a.Subject, b.Subject), slices.Compare(a.Key, b.Key), cmp.Compare(a.Field, b.Field))
	})
	r.Seconds = time.Since(p.begin).Seconds()
	return r, nil
}

// pass is one verification.
type pass struct {
	db     postgres.DB
	ledger ledger.Ledger
	o      Options
	begin  time.Time

	mu       sync.Mutex
	report   *Report
	compared uint64
	money    map[string]qirat.Amount // on the ledger, by account
}

// count adds what was compared and keeps to the rate.
func (p *pass) count(ctx context.Context, subject string, keys, rows int) error {
	compared := p.add(subject, keys, rows)
	if p.o.Rate <= 0 {
		return ctx.Err()
	}
	due := time.Duration(float64(compared) / float64(p.o.Rate) * float64(time.Second))
	return pause(ctx, due-time.Since(p.begin))
}

// add adds what was compared, and returns how much that is in all.
func (p *pass) add(subject string, keys, rows int) uint64 {
	p.mu.Lock()
	i := slices.IndexFunc(p.report.Compared, func(c Count) bool { return c.Subject == subject })
	if i < 0 {
		i = len(p.report.Compared)
		p.report.Compared = append(p.report.Compared, Count{Subject: subject})
	}
	last := &p.report.Compared[i]
	last.Ledger += uint64(keys)
	last.Rows += uint64(rows)
	p.compared += uint64(keys + rows)
	progress := Progress{subject, p.compared, len(p.report.Violations)}
	p.mu.Unlock()
	p.o.Progress(progress)
	return progress.Compared
}

func (p *pass) violation(v Violation) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.report.Violations = append(p.report.Violations, v)
}

func (p *pass) unsettled(at Place) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.report.Unsettled = append(p.report.Unsettled, at)
}

// pause waits, and returns ctx's error when it ends before.
func pause(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
