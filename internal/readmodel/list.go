package readmodel

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"gxcoin.money/gx/internal/platform/postgres"
)

// Window is the part of a list to read.
type Window struct {
	Limit  int     // 1 to MaxPage; 0 is DefaultPage
	Before *Cursor // items older than this one
}

func (w Window) limit() int {
	if w.Limit <= 0 {
		return DefaultPage
	}
	return min(w.Limit, MaxPage)
}

// List is part of a list, newest first. Items that arrive later never move
// those of the following windows.
type List[T any] struct {
	Items []T
	Next  *Cursor // Before of the next window, nil on the last
}

// query collects conditions with their arguments.
type query struct {
	where []string
	args  []any
}

// add adds a condition; each %d in it becomes the number of a value's argument.
func (q *query) add(cond string, values ...any) {
	places := make([]any, len(values))
	for i, v := range values {
		q.args = append(q.args, v)
		places[i] = len(q.args)
	}
	q.where = append(q.where, fmt.Sprintf(cond, places...))
}

// oneOf adds a condition on a column unless there is nothing to choose from.
func oneOf[T ~string](q *query, column string, words []T) {
	if len(words) > 0 {
		q.add(column+" = ANY($%d)", texts(words))
	}
}

func texts[T ~string](words []T) []string {
	return column(words, func(w T) string { return string(w) })
}

func (q *query) sql() string {
	if len(q.where) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(q.where, " AND ")
}

// list reads a window of the rows of a selection that has the columns block,
// tx_index and seq, and entry, which is 0.
func list[R, T any](ctx context.Context, db postgres.DB, what, selection string, q query, w Window, item func(R) T, cursor func(R) Cursor) (List[T], error) {
	if c := w.Before; c != nil {
		q.add("(block, tx_index, seq) < ($%d, $%d, $%d)", c.Block, c.TxIndex, c.Seq)
	}
	limit := w.limit()
	// One more than asked tells whether a next window exists.
	rows, err := many[R](ctx, db, what, selection+q.sql()+` ORDER BY block DESC, tx_index DESC, seq DESC LIMIT `+strconv.Itoa(limit+1), q.args...)
	if err != nil {
		return List[T]{}, err
	}
	var l List[T]
	if len(rows) > limit {
		rows = rows[:limit]
		next := cursor(rows[limit-1])
		l.Next = &next
	}
	l.Items = column(rows, item)
	return l, nil
}

// Due is the place in a list of work that falls due: what is due first comes
// first, what is due at one time comes by id. The zero value is before all.
type Due struct {
	At time.Time
	ID string
}

// due reads up to limit rows whose time column is up to a moment, after a place.
func due[R any](ctx context.Context, db postgres.DB, what, selection, id, at string, q query, until time.Time, after Due, limit int) ([]R, error) {
	q.add(at+" <= $%d", until)
	if after != (Due{}) {
		q.add("("+at+", "+id+") > ($%d, $%d)", after.At, after.ID)
	}
	return many[R](ctx, db, what, selection+q.sql()+fmt.Sprintf(` ORDER BY %s, %s LIMIT %d`, at, id, limit), q.args...)
}

// cursor returns the place of the event on the ledger.
func (m meta) cursor() Cursor { return Cursor{Block: m.block, TxIndex: m.txIndex, Seq: m.seq} }
