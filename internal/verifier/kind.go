package verifier

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"

	"gxcoin.money/gx/contract"
)

// kind is a type of object in ledger state and what the read model makes of it.
type kind struct {
	object string // its type
	table  string // of the read model
	attrs  int    // of its keys that make a unit; 0: all, so that a unit is a key

	// want returns a unit of the ledger with what its row must show, nil when
	// there must be none.
	want func(objects []contract.Exported) (unit, fields, error)

	// rows selects the row of the key k.k1, k.k2 ...
	rows string

	// walk visits every row that must have a unit, nil when another kind does.
	walk *walk

	// forgets tells that the ledger drops objects whose rows stay.
	forgets bool

	// live tells units that a page of keys does not show whole.
	live func(u unit) bool

	// fetch returns what the row of a unit must show now.
	fetch func(ctx context.Context, p *pass, u unit) (fields, error)

	// asOf returns the row of a unit as of each block height from one to another,
	// where that can be told.
	asOf func(ctx context.Context, p *pass, u unit, from, to uint64) ([]fields, error)
}

// same reports whether two keys are of one unit.
func (k *kind) same(a, b contract.Exported) bool {
	n := len(a.Key)
	if k.attrs > 0 {
		n = k.attrs + 1
	}
	return len(a.Key) >= n && len(b.Key) >= n && len(a.Key) == len(b.Key) && slices.Equal(a.Key[:n], b.Key[:n])
}

// kinds lists every type of object in ledger state.
var kinds = slices.Concat(moneyKinds, systemKinds, peopleKinds, organizationKinds, decisionKinds, commandKinds)

// init completes what is the same for most kinds.
func init() {
	for i := range kinds {
		k := &kinds[i]
		if k.fetch != nil {
			continue
		}
		k.fetch = func(ctx context.Context, p *pass, u unit) (fields, error) {
			objects, err := p.objects(ctx, append([]string{k.object}, u.attrs...))
			if err != nil || len(objects) == 0 {
				return nil, err
			}
			_, want, err := k.want(objects)
			return want, err
		}
	}
}

// object reads one ledger object whose attributes are the key of its row.
func object[T any](show func(attrs []string, v *T) fields) func([]contract.Exported) (unit, fields, error) {
	return func(objects []contract.Exported) (unit, fields, error) {
		attrs := objects[0].Key[1:]
		v, err := decode[T](objects[0])
		if err != nil {
			return unit{}, nil, err
		}
		return unit{attrs, attrs}, show(attrs, v), nil
	}
}

// entry reads one entry of an index, whose attributes are the key of its row.
func entry(objects []contract.Exported) (unit, fields, error) {
	attrs := objects[0].Key[1:]
	return unit{attrs, attrs}, fields{}, nil
}

func decode[T any](o contract.Exported) (*T, error) {
	v := new(T)
	if err := json.Unmarshal(o.Value, v, json.RejectUnknownMembers(true)); err != nil {
		return nil, fmt.Errorf("the value is not what this program knows: %w", err)
	}
	return v, nil
}

// walk visits rows in the order of columns that identify them.
type walk struct {
	from    string   // table
	where   string   // condition; empty: all rows
	columns []string // in order, those of an index
	// unit returns the unit of a row, ok false when the row needs none. Without
	// it the columns are the key, on both sides.
	unit func(columns []any) (u unit, ok bool)
}

// over walks a table whose primary key is that of the ledger.
func over(from string, columns ...string) *walk { return &walk{from: from, columns: columns} }

// walk returns the units of up to MaxExport rows after one, the columns of the
// last and the number of rows.
func (p *pass) walk(ctx context.Context, w *walk, after []any) (units []unit, last []any, n int, err error) {
	columns := strings.Join(w.columns, ", ")
	sql := "SELECT DISTINCT " + columns + " FROM " + w.from + " WHERE " + cmp.Or(w.where, "true")
	if after != nil {
		places := make([]string, len(after))
		for i := range after {
			places[i] = fmt.Sprintf("$%d", i+1)
		}
		sql += " AND (" + columns + ") > (" + strings.Join(places, ", ") + ")"
	}
	rows, err := p.db.Query(ctx, sql+" ORDER BY "+columns+fmt.Sprintf(" LIMIT %d", contract.MaxExport), after...)
	if err != nil {
		return nil, nil, 0, fmt.Errorf("verifier: walk %s: %w", w.from, err)
	}
	defer rows.Close()
	for rows.Next() {
		if last, err = rows.Values(); err != nil {
			return nil, nil, 0, fmt.Errorf("verifier: walk %s: %w", w.from, err)
		}
		n++
		if w.unit != nil {
			if u, ok := w.unit(last); ok {
				units = append(units, u)
			}
			continue
		}
		key := make([]string, len(last))
		for i, v := range last {
			key[i] = v.(string)
		}
		units = append(units, unit{key, key})
	}
	if err := rows.Err(); err != nil {
		return nil, nil, 0, fmt.Errorf("verifier: walk %s: %w", w.from, err)
	}
	return units, last, n, nil
}
