package contract_test

import (
	"testing"
	"time"

	"gxcoin.money/gx/contract"
	"gxcoin.money/gx/contract/contracttest"
	"gxcoin.money/gx/protocol/command"
	"gxcoin.money/gx/protocol/event"
	"gxcoin.money/gx/protocol/trust"
)

const day = 24 * time.Hour

func claim(subject string, r trust.Relation, object string) *command.RequestRelationship {
	return &command.RequestRelationship{ActorID: subject, ObjectID: object, Relation: r}
}

func relationshipID(p *command.RequestRelationship) string {
	return trust.Relationship{Subject: p.ActorID, Relation: p.Relation, Object: p.ObjectID}.ID()
}

// tie makes a confirmed relationship.
func tie(t testing.TB, l *contracttest.Ledger, subject string, r trust.Relation, object string) string {
	t.Helper()
	p := claim(subject, r, object)
	id := relationshipID(p)
	l.Apply(t, p)
	l.Apply(t, &command.ConfirmRelationship{ActorID: object, RelationshipID: id})
	return id
}

func trustScore(t testing.TB, l *contracttest.Ledger, user string) int {
	t.Helper()
	var score int
	if err := l.Query(&score, "IdentityContract:GetTrustScore", user); err != nil {
		t.Fatal(err)
	}
	return score
}

// trusted lifts a person to a trust score of 90 through a family of four.
func trusted(t testing.TB, l *contracttest.Ledger, user string, family []string) {
	t.Helper()
	tie(t, l, user, trust.ChildOf, family[0])
	tie(t, l, user, trust.SpouseOf, family[1])
	tie(t, l, user, trust.SiblingOf, family[2])
	tie(t, l, user, trust.FatherOf, family[3])
	if got := trustScore(t, l, user); got != 90 {
		t.Fatalf("trust score with a whole family: %d", got)
	}
}

func TestRelationship(t *testing.T) {
	l := contracttest.Open(t, "DE")
	p := l.Join(t, "DE", 4)
	ask := claim(p[0], trust.SpouseOf, p[1])
	id := relationshipID(ask)
	events := l.Apply(t, ask)
	if e := events[0].(*event.RelationshipRequested); e.RelationshipID != id || e.SubjectID != p[0] || e.ObjectID != p[1] {
		t.Errorf("requested: %+v", e)
	}
	l.Refuse(t, contract.CodeAlreadyExists, "already exists", ask)
	l.Refuse(t, contract.CodeAlreadyExists, "already exists", claim(p[1], trust.SpouseOf, p[0]))
	l.Refuse(t, contract.CodeUnauthorized, "only "+p[1], &command.ConfirmRelationship{ActorID: p[0], RelationshipID: id})
	l.Refuse(t, contract.CodeUnauthorized, "only "+p[1], &command.ConfirmRelationship{ActorID: p[2], RelationshipID: id})
	l.Refuse(t, contract.CodeInvalidState, "PENDING", &command.EndRelationship{ActorID: p[0], RelationshipID: id, Reason: "x"})
	events = l.Apply(t, &command.ConfirmRelationship{ActorID: p[1], RelationshipID: id})
	if len(events) != 3 {
		t.Fatalf("confirmation caused %d events", len(events))
	}
	for i, who := range []string{p[0], p[1]} {
		if e := events[i+1].(*event.TrustScoreUpdated); e.UserID != who || e.Score != 35 || e.Family != 25 {
			t.Errorf("trust: %+v", e)
		}
	}
	l.Refuse(t, contract.CodeInvalidState, "CONFIRMED", &command.ConfirmRelationship{ActorID: p[1], RelationshipID: id})
	l.Refuse(t, contract.CodeUnauthorized, "no part", &command.EndRelationship{ActorID: p[2], RelationshipID: id, Reason: "x"})

	var profile struct {
		User          contract.User           `json:"user"`
		Relationships []contract.Relationship `json:"relationships"`
	}
	if err := l.Query(&profile, "IdentityContract:GetMyProfile", p[1]); err != nil || (profile.User.UserID != p[1] || len(profile.Relationships) != 1 || profile.Relationships[0].RelationshipID != id) {
		t.Errorf("profile: %+v, %v", profile, err)
	}
	events = l.Apply(t, &command.EndRelationship{ActorID: p[1], RelationshipID: id, Reason: "divorce"})
	if e := events[0].(*event.RelationshipEnded); e.EndedBy != p[1] || e.Reason != "divorce" {
		t.Errorf("ended: %+v", e)
	}
	if a, b := trustScore(t, l, p[0]), trustScore(t, l, p[1]); a != trust.Base || b != trust.Base {
		t.Errorf("trust after the end: %d and %d", a, b)
	}
	l.Apply(t, claim(p[1], trust.SpouseOf, p[0])) // an ended one may begin anew, also from the other side
}

func TestRelationshipRejected(t *testing.T) {
	l := contracttest.Open(t, "DE")
	p := l.Join(t, "DE", 2)
	ask := claim(p[0], trust.FriendOf, p[1])
	l.Apply(t, ask, &command.RejectRelationship{ActorID: p[1], RelationshipID: relationshipID(ask), Reason: "unknown"})
	l.Now = l.Now.Add(7*day - time.Second)
	l.Refuse(t, contract.CodeInvalidState, "7 days", ask)
	l.Apply(t, claim(p[1], trust.FriendOf, p[0])) // who rejected may ask
	l.Now = l.Now.Add(time.Second)
	l.Refuse(t, contract.CodeAlreadyExists, "already exists", ask)
	l.Apply(t, &command.RejectRelationship{ActorID: p[0], RelationshipID: trust.Relationship{Subject: p[1], Relation: trust.FriendOf, Object: p[0]}.ID(), Reason: "now I don't"})
	l.Apply(t, ask)
}

func TestRelationshipNeedsActivePeople(t *testing.T) {
	l := contracttest.Open(t, "DE")
	p := l.Join(t, "DE", 3)
	stranger := l.Person(t, "DE").UserID
	l.Refuse(t, contract.CodeNotFound, "does not exist", claim(p[0], trust.FriendOf, stranger))
	ask := claim(p[0], trust.FriendOf, p[1])
	l.Apply(t, ask, claim(p[1], trust.SiblingOf, p[2]))
	l.Apply(t, &command.FreezeWallet{AccountID: p[1], Reason: "ADMIN_ACTION"})
	for _, c := range []command.Payload{
		claim(p[1], trust.FriendOf, p[2]), claim(p[2], trust.FriendOf, p[1]),
		&command.ConfirmRelationship{ActorID: p[1], RelationshipID: relationshipID(ask)},
		&command.RejectRelationship{ActorID: p[1], RelationshipID: relationshipID(ask), Reason: "x"},
		&command.EndRelationship{ActorID: p[1], RelationshipID: relationshipID(ask), Reason: "x"},
	} {
		l.Refuse(t, contract.CodeAccountFrozen, "frozen", c)
	}
}

// B-031: one formula, blind to nothing: who asked decides what an edge means.
func TestB031_TrustKnowsDirections(t *testing.T) {
	l := contracttest.Open(t, "DE")
	p := l.Join(t, "DE", 16)
	trusted(t, l, p[0], p[1:5])
	for i, want := range []int{20, 35, 25, 40} { // a child, a spouse, a sibling, a parent
		if got := trustScore(t, l, p[1+i]); got != want {
			t.Errorf("relative %d: trust %d, want %d", i, got, want)
		}
	}
	for _, friend := range p[5:16] { // eleven friends count as ten
		tie(t, l, friend, trust.FriendOf, p[0])
	}
	if got := trustScore(t, l, p[0]); got != trust.Max {
		t.Errorf("a family and friends: trust %d", got)
	}
}
