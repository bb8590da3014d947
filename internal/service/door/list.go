package door

import (
	"gxcoin.money/gx/internal/platform/problem"
	"gxcoin.money/gx/internal/readmodel"
)

// Paging is the parameters of a list.
type Paging struct {
	Cursor string `query:"cursor" maxLength:"100" doc:"nextCursor of the page before"`
	Limit  int    `query:"limit" minimum:"1" maximum:"100" default:"50"`
}

// Window returns the part of a list that was asked for.
func (p Paging) Window() (readmodel.Window, error) {
	w := readmodel.Window{Limit: p.Limit}
	if p.Cursor != "" {
		c, err := readmodel.ParseCursor(p.Cursor)
		if err != nil {
			return w, problem.BadField("cursor", "is not a cursor of this list")
		}
		w.Before = &c
	}
	return w, nil
}

// List is part of a list, newest first.
type List[T any] struct {
	Data       []T    `json:"data"`
	NextCursor string `json:"nextCursor,omitzero"`
	HasMore    bool   `json:"hasMore"`
}

// ListOf returns a list of the read model as callers see it.
func ListOf[S, T any](l readmodel.List[S], view func(S) T) List[T] {
	out := List[T]{Data: make([]T, len(l.Items))}
	for i, item := range l.Items {
		out.Data[i] = view(item)
	}
	if l.Next != nil {
		out.HasMore, out.NextCursor = true, l.Next.String()
	}
	return out
}
