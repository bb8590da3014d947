package trust

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// friends returns n edges to n people.
func friends(n int) []Edge {
	var out []Edge
	for i := range n {
		out = append(out, Edge{FriendOf, fmt.Sprint("friend ", i), i%2 == 0})
	}
	return out
}

func TestScore(t *testing.T) {
	family := []Edge{{ChildOf, "mother", true}, {SpouseOf, "wife", false}, {SiblingOf, "sister", true}, {FatherOf, "son", true}}
	for _, c := range []struct {
		name  string
		edges []Edge
		loans int
		want  Score
	}{
		{"a stranger", nil, 0, Score{Total: 10}},
		{"a child by own claim", []Edge{{ChildOf, "x", true}}, 0, Score{Family: 30, Total: 40}},
		{"a child by the father's claim", []Edge{{FatherOf, "x", false}}, 0, Score{Family: 30, Total: 40}},
		{"a child by the mother's claim", []Edge{{MotherOf, "x", false}}, 0, Score{Family: 30, Total: 40}},
		{"a child by a parent's claim", []Edge{{ParentOf, "x", false}}, 0, Score{Family: 30, Total: 40}},
		{"two parents count once", []Edge{{ChildOf, "x", true}, {FatherOf, "y", false}}, 0, Score{Family: 30, Total: 40}},
		{"a parent by own claim", []Edge{{FatherOf, "x", true}}, 0, Score{Family: 10, Total: 20}},
		{"a parent by the child's claim", []Edge{{ChildOf, "x", false}}, 0, Score{Family: 10, Total: 20}},
		{"a child and a parent", []Edge{{ChildOf, "x", true}, {ChildOf, "y", false}}, 0, Score{Family: 40, Total: 50}},
		{"a spouse, asked", []Edge{{SpouseOf, "x", true}}, 0, Score{Family: 25, Total: 35}},
		{"a spouse, asking", []Edge{{SpouseOf, "x", false}}, 0, Score{Family: 25, Total: 35}},
		{"two siblings count once", []Edge{{SiblingOf, "x", true}, {SiblingOf, "y", false}}, 0, Score{Family: 15, Total: 25}},
		{"a whole family", family, 0, Score{Family: 80, Total: 90}},
		{"a friend", friends(1), 0, Score{Friends: 1, Total: 11}},
		{"ten friends", friends(10), 0, Score{Friends: 10, Total: 20}},
		{"eleven friends", friends(11), 0, Score{Friends: 10, Total: 20}},
		{"one friend twice", []Edge{{FriendOf, "x", true}, {FriendOf, "x", false}}, 0, Score{Friends: 1, Total: 11}},
		{"a partner", []Edge{{BusinessPartnerOf, "x", true}}, 0, Score{Business: 5, Total: 15}},
		{"a director", []Edge{{DirectorWith, "x", true}}, 0, Score{Business: 3, Total: 13}},
		{"an associate", []Edge{{WorkplaceAssociateOf, "x", true}}, 0, Score{Business: 2, Total: 12}},
		{"one colleague in every role", []Edge{{BusinessPartnerOf, "x", true}, {DirectorWith, "x", true}, {WorkplaceAssociateOf, "x", true}}, 0, Score{Business: 10, Total: 20}},
		{"three partners", []Edge{{BusinessPartnerOf, "x", true}, {BusinessPartnerOf, "y", true}, {BusinessPartnerOf, "z", true}}, 0, Score{Business: 10, Total: 20}},
		{"family and ten friends", append(friends(10), family...), 0, Score{Family: 80, Friends: 10, Total: 100}},
		{"everything", append(append(friends(10), family...), Edge{BusinessPartnerOf, "x", true}), 0, Score{Family: 80, Business: 5, Friends: 10, Total: 100}},
		{"a default takes from the cap", append(append(friends(10), family...), Edge{BusinessPartnerOf, "x", true}), LoanDefaulted, Score{Family: 80, Business: 5, Friends: 10, Loans: -50, Total: 50}},
		{"loans lift to the cap", family, LoanApproved + RepaidEarly, Score{Family: 80, Loans: 20, Total: 100}},
		{"never below nothing", nil, 2 * LoanDefaulted, Score{Loans: -100, Total: 0}},
	} {
		if got := Of(c.edges, c.loans); got != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
}

// The score does not depend on the order of the edges, an edge more never
// lowers it, and it keeps its bounds.
func TestScoreProperties(t *testing.T) {
	edge := rapid.Custom(func(t *rapid.T) Edge {
		return Edge{rapid.SampledFrom(Relations).Draw(t, "relation"), rapid.StringMatching(`[a-f]`).Draw(t, "other"), rapid.Bool().Draw(t, "subject")}
	})
	rapid.Check(t, func(t *rapid.T) {
		edges := rapid.SliceOf(edge).Draw(t, "edges")
		loans := rapid.IntRange(-200, 200).Draw(t, "loans")
		s := Of(edges, loans)
		if shuffled := rapid.Permutation(edges).Draw(t, "shuffled"); Of(shuffled, loans) != s {
			t.Fatalf("%v: %+v, shuffled %+v", edges, s, Of(shuffled, loans))
		}
		if s.Total < 0 || s.Total > Max || s.Family < 0 || s.Family > 80 || s.Business < 0 || s.Business > 10 || s.Friends < 0 || s.Friends > 10 {
			t.Fatalf("%v: %+v", edges, s)
		}
		if more := Of(append(edges, edge.Draw(t, "more")), loans); more.Total < s.Total {
			t.Fatalf("%v: %d falls to %d", edges, s.Total, more.Total)
		}
	})
}

func TestRepayment(t *testing.T) {
	due := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		late time.Duration
		want int
	}{
		{-60 * day, 15}, {-7*day - time.Second, 15}, {-7 * day, 10}, {-1, 10}, {0, 10},
		{1, -10}, {30*day - 1, -10}, {30 * day, -25}, {90 * day, -25}, {90*day + 1, -50},
	} {
		if got := Repayment(due, due.Add(c.late)); got != c.want {
			t.Errorf("%s late: %d, want %d", c.late, got, c.want)
		}
	}
}
