package readmodel_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"gxcoin.money/gx/internal/readmodel"
	"gxcoin.money/gx/internal/readmodel/readmodeltest"
	"gxcoin.money/gx/protocol/event"
)

// happen applies one block with events of one command, and returns its time.
func (w *world) happen(events ...event.Event) time.Time {
	w.t.Helper()
	at := w.at(w.block)
	w.commit(readmodeltest.Command{Type: "ANY", Events: events})
	return at
}

// same compares without the places on the ledger.
func same[T any](t *testing.T, what string, want, got T) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmpopts.IgnoreTypes(readmodel.Cursor{}), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("%s: %s", what, diff)
	}
}

// walk reads a list in windows of two and checks that they join to the whole.
func walk[T any](t *testing.T, what string, read func(readmodel.Window) (readmodel.List[T], error)) []T {
	t.Helper()
	whole := must[readmodel.List[T]](t)(read(readmodel.Window{Limit: readmodel.MaxPage}))
	if whole.Next != nil {
		t.Errorf("%s: more than a page", what)
	}
	var parts []T
	w := readmodel.Window{Limit: 2}
	for {
		l := must[readmodel.List[T]](t)(read(w))
		parts = append(parts, l.Items...)
		if w.Before = l.Next; w.Before == nil {
			break
		}
		if len(l.Items) != 2 {
			t.Fatalf("%s: a window of %d", what, len(l.Items))
		}
	}
	if diff := cmp.Diff(whole.Items, parts, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("%s: windows differ from the whole: %s", what, diff)
	}
	return whole.Items
}

// drain reads work that is due one at a time and checks that it comes in order.
func drain[T any](t *testing.T, read func(readmodel.Due, int) ([]T, error), place func(T) readmodel.Due) []string {
	t.Helper()
	var ids []string
	var after readmodel.Due
	for {
		rows := must[[]T](t)(read(after, 1))
		if len(rows) == 0 {
			break
		}
		next := place(rows[0])
		if next.At.Before(after.At) || next == after {
			t.Fatalf("%v comes after %v", next, after)
		}
		ids, after = append(ids, next.ID), next
	}
	whole := must[[]T](t)(read(readmodel.Due{}, 100))
	if len(whole) != len(ids) {
		t.Errorf("one by one %d, at once %d", len(ids), len(whole))
	}
	return ids
}
