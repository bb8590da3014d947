// Package trust is who knows whom and what it is worth: the relations between
// people and the trust score that follows from them and from loans (domain.md
// 4.3).
package trust

import (
	"errors"
	"strings"
	"time"

	"gxcoin.money/gx/protocol/gxid"
)

// Relation is what one person is to another: "subject is <Relation> object".
// The subject is whoever asked for the relationship.
type Relation string

const (
	FatherOf             Relation = "FATHER_OF"
	MotherOf             Relation = "MOTHER_OF"
	ParentOf             Relation = "PARENT_OF"
	ChildOf              Relation = "CHILD_OF"
	SpouseOf             Relation = "SPOUSE_OF"
	SiblingOf            Relation = "SIBLING_OF"
	FriendOf             Relation = "FRIEND_OF"
	BusinessPartnerOf    Relation = "BUSINESS_PARTNER_OF"
	DirectorWith         Relation = "DIRECTOR_WITH"
	WorkplaceAssociateOf Relation = "WORKPLACE_ASSOCIATE_OF"
)

// Relations lists every relation in a fixed order.
var Relations = []Relation{
	FatherOf, MotherOf, ParentOf, ChildOf, SpouseOf, SiblingOf,
	FriendOf, BusinessPartnerOf, DirectorWith, WorkplaceAssociateOf,
}

var (
	// ErrRelation reports text that is not a relation.
	ErrRelation = errors.New("must be one of FATHER_OF, MOTHER_OF, PARENT_OF, CHILD_OF, SPOUSE_OF, SIBLING_OF, FRIEND_OF, BUSINESS_PARTNER_OF, DIRECTOR_WITH and WORKPLACE_ASSOCIATE_OF")
	// ErrID reports text that is not the id of a relationship.
	ErrID = errors.New("is not a relationship id (form: <subject>:<TYPE>:<object>)")
)

// ParseRelation returns the relation spelled s, or ErrRelation.
func ParseRelation(s string) (Relation, error) {
	for _, r := range Relations {
		if string(r) == s {
			return r, nil
		}
	}
	return "", ErrRelation
}

// Retry is how long a rejected claim cannot be made again.
const Retry = 7 * 24 * time.Hour

// Symmetric reports whether the relation reads the same from both sides, so
// that two people need it once.
func (r Relation) Symmetric() bool {
	switch r {
	case FatherOf, MotherOf, ParentOf, ChildOf:
		return false
	}
	return true
}

// Label is how a person sees the other one: "X is my <Label>".
type Label string

const (
	Father             Label = "FATHER"
	Mother             Label = "MOTHER"
	Spouse             Label = "SPOUSE"
	Child              Label = "CHILD"
	Sibling            Label = "SIBLING"
	Friend             Label = "FRIEND"
	BusinessPartner    Label = "BUSINESS_PARTNER"
	Director           Label = "DIRECTOR"
	WorkplaceAssociate Label = "WORKPLACE_ASSOCIATE"
)

// Relation returns the relation to ask for when someone of a gender names
// another person so; false when there is no such label.
func (l Label) Relation(requester gxid.Gender) (Relation, bool) {
	switch l {
	case Father, Mother:
		return ChildOf, true
	case Child:
		if requester == gxid.Female {
			return MotherOf, true
		}
		return FatherOf, true
	case Spouse:
		return SpouseOf, true
	case Sibling:
		return SiblingOf, true
	case Friend:
		return FriendOf, true
	case BusinessPartner:
		return BusinessPartnerOf, true
	case Director:
		return DirectorWith, true
	case WorkplaceAssociate:
		return WorkplaceAssociateOf, true
	}
	return "", false
}

// Relationship identifies a relationship: who asked, for what, and whom.
type Relationship struct {
	Subject  string // GX id
	Relation Relation
	Object   string // GX id
}

// ID returns "<subject>:<TYPE>:<object>".
func (r Relationship) ID() string { return r.Subject + ":" + string(r.Relation) + ":" + r.Object }

// Mirror returns the same relation asked for by the other side.
func (r Relationship) Mirror() Relationship { return Relationship{r.Object, r.Relation, r.Subject} }

// Seen returns what the other person is to one of the two ends.
func (r Relationship) Seen(by string) Label {
	other, parent := r.Object, r.Relation == ChildOf
	if by == r.Object {
		other, parent = r.Subject, r.Relation != ChildOf
	}
	switch r.Relation {
	case SpouseOf:
		return Spouse
	case SiblingOf:
		return Sibling
	case FriendOf:
		return Friend
	case BusinessPartnerOf:
		return BusinessPartner
	case DirectorWith:
		return Director
	case WorkplaceAssociateOf:
		return WorkplaceAssociate
	}
	if !parent {
		return Child
	}
	if id, err := gxid.Parse(other); err == nil && id.Gender == gxid.Female {
		return Mother
	}
	return Father
}

// ParseID reads what Relationship.ID wrote: two different people and a
// relation. Its error is ErrID.
func ParseID(s string) (Relationship, error) {
	subject, rest, _ := strings.Cut(s, ":")
	relation, object, _ := strings.Cut(rest, ":")
	rel, err := ParseRelation(relation)
	if err != nil || subject == object || !person(subject) || !person(object) {
		return Relationship{}, ErrID
	}
	return Relationship{subject, rel, object}, nil
}

func person(id string) bool {
	parsed, err := gxid.Parse(id)
	return err == nil && parsed.Type == gxid.Individual
}
