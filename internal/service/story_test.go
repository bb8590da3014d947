package service_test

import (
	"context"
	"testing"

	"gxcoin.money/gx/api/client"
	"gxcoin.money/gx/internal/demo"
	"gxcoin.money/gx/internal/ringtest"
)

// story is a running system and the people of a story, who are on its ledger.
type story struct {
	t      *testing.T
	ring   *ringtest.Ring
	staff  *client.Client
	people []*demo.Customer
}

func begin(t *testing.T, ring *ringtest.Ring, people int) *story {
	t.Helper()
	s := &story{t: t, ring: ring, staff: ring.Staff(t)}
	var err error
	if s.people, err = demo.Recruit(t.Context(), ring.Client, s.staff, demo.People(people)); err != nil {
		t.Fatal(err)
	}
	return s
}

// wait makes a command answer with its end, unless that takes very long.
var wait = client.Wait(10)

// ends returns the end of an accepted command.
func (s *story) ends(r client.Receipt, err error) client.CommandView {
	s.t.Helper()
	v := r.Command
	for err == nil && !v.Projected && v.Status != client.CommandStatusFAILED {
		v, err = s.await(r.CommandID)
	}
	if err != nil {
		s.t.Fatal(err)
	}
	return v
}

// await waits for a command of anybody, as staff may.
func (s *story) await(id string) (client.CommandView, error) {
	return s.staff.GetCommand(s.t.Context(), id, wait, client.At("admin"))
}

// done returns the result of a command that the ledger has carried out.
func (s *story) done(r client.Receipt, err error) map[string]any {
	s.t.Helper()
	v := s.ends(r, err)
	if v.Status != client.CommandStatusCONFIRMED {
		s.t.Fatalf("%s: %s %s", v.Type, v.ErrorCode, v.Error)
	}
	result, _ := v.Result.Value.(map[string]any)
	return result
}

// refused fails unless the answer is a problem of this code.
func refused[T any](t *testing.T, want string) func(T, error) {
	t.Helper()
	return func(_ T, err error) {
		t.Helper()
		if client.Code(err) != want {
			t.Errorf("error %v, want the code %s", err, want)
		}
	}
}

func must[T any](t *testing.T) func(T, error) T {
	t.Helper()
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// colleague returns a second member of staff, who approves.
func (s *story) colleague() *client.Client {
	s.t.Helper()
	ctx := s.t.Context()
	r := must[client.Receipt](s.t)(s.staff.CreateStaff(ctx, client.CreateStaffRequest{
		Username: "grace", DisplayName: "Grace Hopper", Role: client.CreateStaffRequestRoleSUPEROWNER,
	}))
	must[client.Done](s.t)(s.ring.Client.AcceptInvitation(ctx, client.AcceptRequest{Invitation: r.Invitation, Password: strong}))
	return must[*client.Client](s.t)(s.ring.Client.LogInStaff(ctx, "grace", strong))
}

// approved has a colleague approve what was asked for, and waits for its end.
func (s *story) approved(ctx context.Context, colleague *client.Client, r client.Receipt, err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
	d := must[client.DecisionResponse](s.t)(colleague.VoteApproval(ctx, r.ApprovalID, client.AdminVoteRequest{Decision: client.AdminVoteRequestDecisionAPPROVE}))
	if v := s.ends(client.Receipt{CommandID: d.Approval.ExecutionResult.CommandID}, nil); v.Status != client.CommandStatusCONFIRMED {
		s.t.Fatalf("%s: %s %s", v.Type, v.ErrorCode, v.Error)
	}
}
