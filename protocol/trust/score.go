package trust

import "time"

// The bounds of a score, and what everyone begins with.
const (
	Base = 10
	Max  = 100
)

// Edge is one confirmed relationship of a person, seen from that person.
type Edge struct {
	Relation Relation
	Other    string // the person at the other end
	Subject  bool   // the person whose edge it is asked for it
}

// Score is a person's trust with its parts.
type Score struct {
	Family   int // 0 to 80
	Business int // 0 to 10
	Friends  int // 0 to 10
	Loans    int // what loans have added and taken, see the adjustments
	Total    int // 0 to Max
}

// Of returns the score of a person with these confirmed relationships and loan
// adjustments, whatever their order. Every family tie counts once, every
// partner, colleague and friend once.
func Of(edges []Edge, loans int) Score {
	var parent, spouse, sibling, child bool
	type tie struct {
		relation Relation
		other    string
	}
	seen := map[tie]bool{}
	s := Score{Loans: loans}
	for _, e := range edges {
		t := tie{e.Relation, e.Other}
		switch e.Relation {
		case FatherOf, MotherOf, ParentOf:
			parent = parent || !e.Subject
			child = child || e.Subject
		case ChildOf:
			parent = parent || e.Subject
			child = child || !e.Subject
		case SpouseOf:
			spouse = true
		case SiblingOf:
			sibling = true
		default:
			if seen[t] {
				continue
			}
			seen[t] = true
			switch e.Relation {
			case FriendOf:
				s.Friends++
			case BusinessPartnerOf:
				s.Business += 5
			case DirectorWith:
				s.Business += 3
			case WorkplaceAssociateOf:
				s.Business += 2
			}
		}
	}
	for _, f := range [...]struct {
		has    bool
		points int
	}{{parent, 30}, {spouse, 25}, {sibling, 15}, {child, 10}} {
		if f.has {
			s.Family += f.points
		}
	}
	s.Business = min(s.Business, 10)
	s.Friends = min(s.Friends, 10)
	social := min(Max, Base+s.Family+s.Business+s.Friends)
	s.Total = max(0, min(Max, social+loans))
	return s
}

// What a loan adds to the score of its borrower.
const (
	LoanApproved   = 5
	RepaidEarly    = 15
	RepaidOnTime   = 10
	RepaidLate     = -10
	RepaidVeryLate = -25
	LoanDefaulted  = -50
)

// DefaultsToBan is the number of defaults after which nobody lends any more.
const DefaultsToBan = 2

const day = 24 * time.Hour

// Repayment returns what the last instalment of an active loan adds: more than
// a week early, until the due date, less than 30 days late, up to 90 days late,
// or as late as a default.
func Repayment(due, paid time.Time) int {
	switch late := paid.Sub(due); {
	case late < -7*day:
		return RepaidEarly
	case late <= 0:
		return RepaidOnTime
	case late < 30*day:
		return RepaidLate
	case late <= 90*day:
		return RepaidVeryLate
	default:
		return LoanDefaulted
	}
}
