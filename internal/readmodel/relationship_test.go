package readmodel_test

import (
	"testing"
	"time"

	"gxcoin.money/gx/internal/readmodel"
	"gxcoin.money/gx/protocol/event"
	"gxcoin.money/gx/protocol/status"
	"gxcoin.money/gx/protocol/trust"
)

func TestRelationships(t *testing.T) {
	w := newWorld(t)
	w.open()
	ctx := t.Context()
	rel := func(subject string, r trust.Relation, object string) trust.Relationship {
		return trust.Relationship{Subject: subject, Relation: r, Object: object}
	}
	request := func(r trust.Relationship) time.Time {
		return w.happen(&event.RelationshipRequested{RelationshipID: r.ID(), SubjectID: r.Subject, ObjectID: r.Object, Relation: r.Relation})
	}
	spouse, friend := rel("alice", trust.SpouseOf, "bob"), rel("bob", trust.FriendOf, "alice")
	asked := request(spouse)
	confirmed := w.happen(
		&event.RelationshipConfirmed{RelationshipID: spouse.ID(), SubjectID: "alice", ObjectID: "bob", Relation: trust.SpouseOf},
		&event.TrustScoreUpdated{UserID: "alice", Score: 35, Family: 25}, &event.TrustScoreUpdated{UserID: "bob", Score: 36, Family: 25, Friends: 1})
	want := readmodel.RelationshipState{RelationshipID: spouse.ID(), SubjectID: "alice", ObjectID: "bob", Relation: trust.SpouseOf,
		Status: status.RelationshipConfirmed, RequestedAt: asked, ConfirmedAt: &confirmed}
	same(t, "confirmed", want, must[readmodel.RelationshipState](t)(readmodel.Relationship(ctx, w.pool, spouse.ID())))
	same(t, "trust", readmodel.TrustState{UserID: "bob", Score: trust.Score{Family: 25, Friends: 1, Total: 36}, UpdatedAt: &confirmed},
		must[readmodel.TrustState](t)(readmodel.Trust(ctx, w.pool, "bob")))
	if u := must[readmodel.UserState](t)(readmodel.User(ctx, w.pool, "alice")); u.TrustScore != 35 {
		t.Errorf("trust score %d", u.TrustScore)
	}

	ended := w.happen(&event.RelationshipEnded{RelationshipID: spouse.ID(), SubjectID: "alice", ObjectID: "bob", Relation: trust.SpouseOf, EndedBy: "bob", Reason: "divorce"})
	want.Status, want.ClosedAt, want.ClosedBy, want.Reason = status.RelationshipEnded, &ended, "bob", "divorce"
	same(t, "ended", want, must[readmodel.RelationshipState](t)(readmodel.Relationship(ctx, w.pool, spouse.ID())))

	request(friend)
	rejected := w.happen(&event.RelationshipRejected{RelationshipID: friend.ID(), SubjectID: "bob", ObjectID: "alice", Relation: trust.FriendOf, Reason: "a stranger"})
	got := must[readmodel.RelationshipState](t)(readmodel.Relationship(ctx, w.pool, friend.ID()))
	if got.Status != status.RelationshipRejected || got.ClosedBy != "alice" || got.Reason != "a stranger" || !got.ClosedAt.Equal(rejected) {
		t.Errorf("rejected: %+v", got)
	}
	// What begins anew forgets its end, and is the newest.
	again := request(spouse)
	same(t, "anew", readmodel.RelationshipState{RelationshipID: spouse.ID(), SubjectID: "alice", ObjectID: "bob", Relation: trust.SpouseOf,
		Status: status.RelationshipPending, RequestedAt: again}, must[readmodel.RelationshipState](t)(readmodel.Relationship(ctx, w.pool, spouse.ID())))
	request(rel("alice", trust.DirectorWith, "bob"))
	request(rel("bob", trust.ChildOf, "alice"))

	ids := func(id string, in ...status.Relationship) (out []string) {
		for _, r := range walk(t, id, func(v readmodel.Window) (readmodel.List[readmodel.RelationshipState], error) {
			return readmodel.Relationships(ctx, w.pool, id, in, v)
		}) {
			out = append(out, string(r.Relation))
		}
		return out
	}
	same(t, "of bob", []string{"CHILD_OF", "DIRECTOR_WITH", "SPOUSE_OF", "FRIEND_OF"}, ids("bob"))
	same(t, "rejected of alice", []string{"FRIEND_OF"}, ids("alice", status.RelationshipRejected))
	same(t, "of nobody", nil, ids("nobody"))
}
