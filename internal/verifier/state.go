package verifier

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"gxcoin.money/gx/contract"
	"gxcoin.money/gx/protocol/qirat"
)

// concurrency is how many differences are looked into at once.
const concurrency = 8

// unit is what is compared as one: a key of the ledger, or several that begin
// alike, with one row of the read model, or several that one query makes one.
type unit struct {
	attrs []string // of the ledger's key, without the object type
	key   []string // of the row
}

func (u unit) id() string { return strings.Join(u.key, "\x00") }

// state compares every kind of object, forth and back.
func (p *pass) state(ctx context.Context) error {
	p.money = map[string]qirat.Amount{}
	for i := range kinds {
		k := &kinds[i]
		if err := p.forth(ctx, k); err != nil {
			return err
		}
		if err := p.back(ctx, k); err != nil {
			return err
		}
	}
	return nil
}

// forth compares the keys of the ledger with their rows.
func (p *pass) forth(ctx context.Context, k *kind) error {
	var rest []contract.Exported // of a unit that a page has cut
	for bookmark := ""; ; {
		page, err := p.export(ctx, []string{k.object}, bookmark)
		if err != nil {
			return err
		}
		bookmark = page.Bookmark
		items := slices.Concat(rest, page.Items)
		rest = nil
		if bookmark != "" && k.attrs > 0 {
			cut := len(items)
			for cut > 0 && k.same(items[cut-1], items[len(items)-1]) {
				cut--
			}
			items, rest = items[:cut], items[cut:]
		}
		if err := p.page(ctx, k, items); err != nil {
			return err
		}
		if err := p.count(ctx, k.object, len(page.Items), 0); err != nil {
			return err
		}
		if bookmark == "" {
			return nil
		}
	}
}

// page compares complete units with their rows, in one query.
func (p *pass) page(ctx context.Context, k *kind, items []contract.Exported) error {
	var doubtful, units []unit
	var wants []fields
	for len(items) > 0 {
		n := 1
		for n < len(items) && k.same(items[0], items[n]) {
			n++
		}
		u, want, err := k.want(items[:n])
		if err != nil {
			return fmt.Errorf("verifier: %s %q: %w", k.object, items[0].Key[1:], err)
		}
		if k.live != nil && k.live(u) {
			doubtful = append(doubtful, u)
		} else {
			units, wants = append(units, u), append(wants, want)
			if balance, ok := want["balance"].(qirat.Amount); ok {
				p.owns(u, balance)
			}
		}
		items = items[n:]
	}
	rows, err := p.rows(ctx, k, units)
	if err != nil {
		return err
	}
	for i, u := range units {
		row, found := rows[u.id()]
		if found != (wants[i] != nil) || found && compare(wants[i], row) != nil {
			doubtful = append(doubtful, u)
		}
	}
	return p.settle(ctx, k, doubtful)
}

// owns remembers the money of an account.
func (p *pass) owns(u unit, balance qirat.Amount) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.money[u.id()] = balance
}

// back looks up the keys of the ledger that rows belong to.
func (p *pass) back(ctx context.Context, k *kind) error {
	if k.walk == nil {
		return nil
	}
	var after []any
	for {
		units, last, n, err := p.walk(ctx, k.walk, after)
		if err != nil {
			return err
		}
		doubtful, err := p.unknown(ctx, k, units)
		if err != nil {
			return err
		}
		if err := p.settle(ctx, k, doubtful); err != nil {
			return err
		}
		if err := p.count(ctx, k.object, 0, n); err != nil {
			return err
		}
		if n < contract.MaxExport {
			return nil
		}
		after = last
	}
}

// unknown returns the units that the ledger does not have.
func (p *pass) unknown(ctx context.Context, k *kind, units []unit) ([]unit, error) {
	if len(units) == 0 {
		return nil, nil
	}
	function := contract.ExportKeysFunction
	if k.attrs > 0 {
		function = contract.ExportFirstFunction
	}
	keys := make([][]string, len(units))
	for i, u := range units {
		keys[i] = append([]string{k.object}, u.attrs...)
	}
	text, err := json.Marshal(keys)
	if err != nil {
		return nil, fmt.Errorf("verifier: keys of %s: %w", k.object, err)
	}
	var found []contract.Exported
	if err := p.evaluate(ctx, &found, function, string(text)); err != nil {
		return nil, err
	}
	var out []unit
	for i, u := range units {
		if len(found) > 0 && slices.Equal(found[0].Key[:len(keys[i])], keys[i]) {
			found = found[1:]
		} else {
			out = append(out, u)
		}
	}
	return out, nil
}

// rows reads the rows of units, by id.
func (p *pass) rows(ctx context.Context, k *kind, units []unit) (map[string]fields, error) {
	if len(units) == 0 {
		return nil, nil
	}
	columns := make([]any, len(units[0].key))
	names, arrays := "", ""
	for c := range columns {
		list := make([]string, len(units))
		for i, u := range units {
			list[i] = u.key[c]
		}
		columns[c] = list
		names += fmt.Sprintf("k%d, ", c+1)
		arrays += fmt.Sprintf(", $%d::text[]", c+1)
	}
	rows, err := p.query(ctx, fmt.Sprintf(`SELECT k.n AS "#", t.* FROM unnest(%s) WITH ORDINALITY AS k (%sn) CROSS JOIN LATERAL (%s) AS t`,
		arrays[2:], names, k.rows), columns...)
	if err != nil {
		return nil, fmt.Errorf("verifier: rows of %s: %w", k.table, err)
	}
	out := make(map[string]fields, len(rows))
	for _, row := range rows {
		out[units[row["#"].(int64)-1].id()] = row
	}
	return out, nil
}

func (p *pass) query(ctx context.Context, sql string, args ...any) ([]fields, error) {
	rows, err := p.db.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (fields, error) { return pgx.RowToMap(row) })
}

// settle looks at doubtful units until they are certain.
func (p *pass) settle(ctx context.Context, k *kind, units []unit) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(concurrency)
	for _, u := range units {
		g.Go(func() error { return p.settleOne(ctx, k, u) })
	}
	return g.Wait()
}

func (p *pass) settleOne(ctx context.Context, k *kind, u unit) error {
	at := Place{k.object, u.attrs, k.table}
	until := time.Now().Add(p.o.Patience)
	last := ""
	for misses := 1; ; misses++ {
		l, err := p.look(ctx, k, u)
		if err != nil {
			return err
		}
		if balance, ok := l.after["balance"].(qirat.Amount); ok {
			p.owns(u, balance)
		}
		if l.agree() {
			return nil
		}
		found := ""
		if summary(l.before) == summary(l.after) {
			found = fmt.Sprint(summary(l.after), l.differences())
		}
		switch {
		// Rows as of a block need not stand still, but a peer of the ledger may lag.
		case found != "" && found == last, k.asOf != nil && misses == 3:
			for _, d := range l.differences() {
				p.violation(Violation{at, d.field, d.ledger, d.read})
			}
			return nil
		case time.Now().After(until):
			p.unsettled(at)
			return nil
		}
		last = found
		if err := pause(ctx, p.o.Confirm); err != nil {
			return err
		}
	}
}

// look is a unit as the ledger had it, as the read model had it after that, and
// as the ledger had it after that again.
type look struct {
	before, after fields   // nil: nothing
	rows          []fields // as of each block in question; none: nothing
	forgets       bool     // the ledger may have dropped what the rows are about
}

func (p *pass) look(ctx context.Context, k *kind, u unit) (l look, err error) {
	l.forgets = k.forgets
	from, err := p.height(ctx)
	if err != nil {
		return l, err
	}
	if l.before, err = k.fetch(ctx, p, u); err != nil {
		return l, err
	}
	to, err := p.height(ctx)
	if err != nil {
		return l, err
	}
	if err := p.await(ctx, to); err != nil {
		return l, err
	}
	if k.asOf != nil {
		l.rows, err = k.asOf(ctx, p, u, from, to)
	} else {
		var found map[string]fields
		if found, err = p.rows(ctx, k, []unit{u}); len(found) > 0 {
			l.rows = []fields{found[u.id()]}
		}
	}
	if err != nil {
		return l, err
	}
	l.after, err = k.fetch(ctx, p, u)
	return l, err
}

// agree reports whether the read model showed what the ledger had at one of the
// two looks.
func (l look) agree() bool {
	for _, want := range []fields{l.before, l.after} {
		if want == nil && (len(l.rows) == 0 || l.forgets) {
			return true
		}
		for _, row := range l.rows {
			if want != nil && compare(want, row) == nil {
				return true
			}
		}
	}
	return false
}

// differences says in what the last look at the ledger and the rows differ.
func (l look) differences() []difference {
	switch {
	case l.after == nil && len(l.rows) == 0:
		return nil
	case l.after == nil:
		return []difference{{"", "nothing", summary(l.rows[0])}}
	case len(l.rows) == 0:
		return []difference{{"", summary(l.after), "nothing"}}
	}
	return compare(l.after, l.rows[0])
}
