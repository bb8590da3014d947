package identity

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"gxcoin.money/gx/internal/platform/problem"
	"gxcoin.money/gx/internal/readmodel"
	"gxcoin.money/gx/internal/service/door"
	"gxcoin.money/gx/internal/service/people"
	"gxcoin.money/gx/internal/service/statement"
	"gxcoin.money/gx/protocol/command"
	"gxcoin.money/gx/protocol/parameter"
	"gxcoin.money/gx/protocol/status"
)

// registerRecovery adds the routes of guardians, and of the accounts that they
// recover. While recovery is switched off on the ledger nothing can be begun.
func registerRecovery(d *door.Door) {
	s := identity{d}
	customer := door.Policy{Customer: true}
	party := door.Policy{Object: door.Recovery}
	get := func(path, id, summary string, p door.Policy) door.Route {
		return door.Route{Method: http.MethodGet, Path: path, ID: id, Summary: summary, Policy: p, Cache: door.CachePrivate}
	}
	send := func(method, path, id, summary string, p door.Policy) door.Route {
		return door.Route{Method: method, Path: path, ID: id, Summary: summary, Policy: p, Idempotency: door.KeyRequired, Status: http.StatusAccepted}
	}
	door.Register(d, get("/guardians", "listGuardians", "Who can recover your account, and whose you can", customer), s.guardians)
	door.Register(d, send(http.MethodPut, "/guardians", "nominateGuardians", "Say who can recover your account, in place of any before", customer), s.nominate)
	door.Register(d, get("/recoveries", "listRecoveries", "The recoveries of your account, or of one that you guard, newest first", customer), s.recoveries)
	door.Register(d, send(http.MethodPost, "/recoveries", "initiateRecovery", "Begin to recover an account that you guard", customer), s.initiateRecovery)
	door.Register(d, get("/recoveries/{recoveryId}", "getRecovery", "A recovery, for the owner of the account and its guardians", party), s.recovery)
	door.Register(d, send(http.MethodPost, "/recoveries/{recoveryId}/confirm", "confirmRecovery", "Vote for a recovery, as a guardian", party), s.confirmRecovery)
	door.Register(d, send(http.MethodPost, "/recoveries/{recoveryId}/cancel", "cancelRecovery", "Object to a recovery of your account", party), s.cancelRecovery)
	execute := send(http.MethodPost, "/recoveries/{recoveryId}/execute", "executeRecovery", "Hand a recovered account over, when the time to object is over",
		door.Policy{Staff: door.UserUnfreeze, FourEyes: true})
	door.Register(d, execute, s.executeRecovery)
}

// recoverable refuses while recovery is switched off on the ledger.
func (s identity) recoverable(ctx context.Context) error {
	on, err := readmodel.ParameterValue(ctx, s.Pool, parameter.RecoveryEnabled)
	if err != nil || on != 0 {
		return err
	}
	return s.Refuse(ctx, problem.New(http.StatusConflict, "recovery_disabled", "Account recovery is switched off."))
}

// Guardian is somebody on either side of a guardianship.
type Guardian struct {
	Acquaintance
	NominatedAt door.Time `json:"nominatedAt"`
}

type guardiansOutput struct {
	Body struct {
		Guardians       []Guardian `json:"guardians" doc:"Who can recover your account: more than half of them together"`
		Wards           []Guardian `json:"wards" doc:"Whose account you can recover"`
		RecoveryEnabled bool       `json:"recoveryEnabled"`
	}
}

func (s identity) guardians(ctx context.Context, _ *struct{}) (*guardiansOutput, error) {
	on, err := readmodel.ParameterValue(ctx, s.Pool, parameter.RecoveryEnabled)
	if err != nil {
		return nil, err
	}
	var out guardiansOutput
	b := &out.Body
	b.RecoveryEnabled, b.Guardians, b.Wards = on != 0, []Guardian{}, []Guardian{}
	me, _, err := s.onLedger(ctx)
	if err != nil || me == "" {
		return &out, err
	}
	guardians, err := readmodel.Guardians(ctx, s.Pool, me)
	if err != nil {
		return nil, err
	}
	wards, err := readmodel.Wards(ctx, s.Pool, me)
	if err != nil {
		return nil, err
	}
	if b.Guardians, err = s.guarding(ctx, guardians, func(g readmodel.Guardian) string { return g.GuardianID }); err != nil {
		return nil, err
	}
	b.Wards, err = s.guarding(ctx, wards, func(g readmodel.Guardian) string { return g.UserID })
	return &out, err
}

// guarding shows one side of guardianships.
func (s identity) guarding(ctx context.Context, list []readmodel.Guardian, id func(readmodel.Guardian) string) ([]Guardian, error) {
	ids := make([]string, len(list))
	for i, g := range list {
		ids[i] = id(g)
	}
	names, err := statement.Names(ctx, s.Door, ids)
	if err != nil {
		return nil, err
	}
	out := make([]Guardian, len(list))
	for i, g := range list {
		out[i] = Guardian{Acquaintance{ids[i], names[ids[i]]}, door.Time{Time: g.NominatedAt}}
	}
	return out, nil
}

type guardiansInput struct {
	Body struct {
		GuardianIDs []string `json:"guardianIDs" minItems:"3" maxItems:"10" doc:"GX ids or profile ids"`
	}
}

func (s identity) nominate(ctx context.Context, in *guardiansInput) (*door.Accepted, error) {
	me, err := s.Actor(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.recoverable(ctx); err != nil {
		return nil, err
	}
	ids := make([]string, len(in.Body.GuardianIDs))
	for i, id := range in.Body.GuardianIDs {
		if ids[i], err = s.somebody(ctx, "guardianIDs", id); err != nil {
			return nil, err
		}
	}
	slices.Sort(ids)
	return s.Submit(ctx, door.Submission{
		Payload: &command.NominateGuardians{ActorID: me, GuardianIDs: ids}, Request: map[string]string{"guardianIDs": strings.Join(ids, ",")},
		Receipt: door.Receipt{Message: "The guardians are being named.", AggregateID: me},
	})
}

// Recovery is the attempt of guardians to recover a lost account.
type Recovery struct {
	RecoveryID    string          `json:"recoveryId"`
	AccountID     string          `json:"accountId" doc:"GX id of the account that was lost"`
	InitiatorID   string          `json:"initiatorId" doc:"GX id of the guardian who began"`
	Status        status.Recovery `json:"status" enum:"PENDING,CONFIRMED,EXECUTED,CANCELLED,EXPIRED"`
	Required      int             `json:"required" doc:"Votes of guardians"`
	Confirmations int             `json:"confirmations"`
	CreatedAt     door.Time       `json:"createdAt"`
	ExpiresAt     door.Time       `json:"expiresAt" doc:"Until when guardians can vote"`
	ExecutableAt  *door.Time      `json:"executableAt,omitzero" doc:"Until when the owner can object, once enough have voted"`
	ClosedAt      *door.Time      `json:"closedAt,omitzero"`
}

func (s identity) recoveryView(r readmodel.RecoveryState) Recovery {
	out := Recovery{r.SessionID, r.LostAccountID, r.InitiatorID, r.Status, r.Required, r.Confirmations, door.Time{Time: r.CreatedAt},
		door.Time{Time: r.ExpiresAt}, door.TimeOf(r.ExecutableAt), door.TimeOf(r.ClosedAt)}
	if r.Status == status.RecoveryPending && !s.Clock().Before(r.ExpiresAt) {
		out.Status = status.RecoveryExpired
	}
	return out
}

type recoveriesInput struct {
	door.Paging
	AccountID string `query:"accountId" maxLength:"64" doc:"An account that you guard; your own when absent"`
}

type recoveriesOutput struct{ Body door.List[Recovery] }

func (s identity) recoveries(ctx context.Context, in *recoveriesInput) (*recoveriesOutput, error) {
	w, err := in.Window()
	if err != nil {
		return nil, err
	}
	me, _, err := s.onLedger(ctx)
	if err != nil {
		return nil, err
	}
	lost := me
	if in.AccountID != "" {
		if lost, err = s.guarded(ctx, me, in.AccountID); err != nil {
			return nil, err
		}
	}
	l, err := readmodel.Recoveries(ctx, s.Pool, lost, w)
	if err != nil {
		return nil, err
	}
	return &recoveriesOutput{door.ListOf(l, s.recoveryView)}, nil
}

// guarded returns the account that an id names, which must be the caller's or one
// that they guard.
func (s identity) guarded(ctx context.Context, me, id string) (string, error) {
	account, err := people.AccountID(ctx, s.Pool, id)
	if err != nil && !errors.Is(err, people.ErrNotFound) {
		return "", err
	}
	wards, failure := readmodel.Wards(ctx, s.Pool, me)
	if failure != nil {
		return "", failure
	}
	if err != nil || account != me && !slices.ContainsFunc(wards, func(g readmodel.Guardian) bool { return g.UserID == account }) {
		return "", problem.New(http.StatusNotFound, "not_found", "You guard no such account.")
	}
	return account, nil
}

type recoveryClaimInput struct {
	Body struct {
		AccountID            string `json:"accountId" maxLength:"64" doc:"GX id or profile id of whoever lost their account"`
		NewControllerKeyHash string `json:"newControllerKeyHash" pattern:"^[0-9a-f]{64}$" patternDescription:"64 lower-case hex digits (SHA-256)"`
	}
}

func (s identity) initiateRecovery(ctx context.Context, in *recoveryClaimInput) (*door.Accepted, error) {
	me, err := s.Actor(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.recoverable(ctx); err != nil {
		return nil, err
	}
	lost, err := s.guarded(ctx, me, in.Body.AccountID)
	if err != nil {
		return nil, err
	}
	return s.Submit(ctx, door.Submission{
		Payload: &command.InitiateRecovery{ActorID: me, LostAccountID: lost, NewControllerKeyHash: in.Body.NewControllerKeyHash},
		Request: map[string]string{"accountId": lost, "newControllerKeyHash": in.Body.NewControllerKeyHash},
		Receipt: door.Receipt{Message: "The other guardians have to confirm it; its id is in the result of the command.", AggregateID: lost},
	})
}

type recoveryInput struct {
	RecoveryID string `path:"recoveryId" maxLength:"100"`
}

type recoveryOutput struct {
	Body struct {
		Recovery Recovery `json:"recovery"`
	}
}

func (s identity) recovery(ctx context.Context, in *recoveryInput) (*recoveryOutput, error) {
	r, err := readmodel.Recovery(ctx, s.Pool, in.RecoveryID)
	if err != nil {
		return nil, err
	}
	var out recoveryOutput
	out.Body.Recovery = s.recoveryView(r)
	return &out, nil
}

func (s identity) confirmRecovery(ctx context.Context, in *recoveryInput) (*door.Accepted, error) {
	me, err := s.Actor(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.recoverable(ctx); err != nil {
		return nil, err
	}
	r, err := readmodel.Recovery(ctx, s.Pool, in.RecoveryID)
	if err != nil {
		return nil, err
	}
	if r.LostAccountID == me {
		return nil, problem.New(http.StatusForbidden, "forbidden", "That is for the guardians.")
	}
	return s.submitRecovery(ctx, r, &command.ConfirmRecovery{ActorID: me, SessionID: r.SessionID, LostAccountID: r.LostAccountID}, status.RecoveryPending)
}

// cancelRecovery lets an owner object whose account the recovery has frozen, and
// while recovery is switched off.
func (s identity) cancelRecovery(ctx context.Context, in *recoveryInput) (*door.Accepted, error) {
	r, err := readmodel.Recovery(ctx, s.Pool, in.RecoveryID)
	if err != nil {
		return nil, err
	}
	me, _, err := s.onLedger(ctx)
	if err != nil {
		return nil, err
	}
	if r.LostAccountID != me {
		return nil, problem.New(http.StatusForbidden, "forbidden", "That is for the owner of the account.")
	}
	return s.submitRecovery(ctx, r, &command.CancelRecovery{ActorID: me, SessionID: r.SessionID}, status.RecoveryPending, status.RecoveryConfirmed)
}

func (s identity) executeRecovery(ctx context.Context, in *recoveryInput) (*door.Accepted, error) {
	if err := s.recoverable(ctx); err != nil {
		return nil, err
	}
	r, err := readmodel.Recovery(ctx, s.Pool, in.RecoveryID)
	if errors.Is(err, readmodel.ErrNotFound) {
		return nil, problem.New(http.StatusNotFound, "recovery_not_found", "There is no such recovery.")
	}
	if err != nil {
		return nil, err
	}
	if at := r.ExecutableAt; at != nil && s.Clock().Before(*at) {
		if err := s.Refuse(ctx, problem.New(http.StatusConflict, "objection_time", "The owner can still object.").WithFact("possibleFrom", at.Format(time.RFC3339))); err != nil {
			return nil, err
		}
	}
	return s.submitRecovery(ctx, r, &command.ExecuteRecovery{SessionID: r.SessionID, LostAccountID: r.LostAccountID}, status.RecoveryConfirmed)
}

// submitRecovery submits a command on a recovery, which must be in one of some statuses.
func (s identity) submitRecovery(ctx context.Context, r readmodel.RecoveryState, p command.Payload, in ...status.Recovery) (*door.Accepted, error) {
	if is := s.recoveryView(r).Status; !slices.Contains(in, is) {
		if err := s.Refuse(ctx, problem.New(http.StatusConflict, "invalid_state", "The recovery is "+string(is)+".")); err != nil {
			return nil, err
		}
	}
	return s.Submit(ctx, door.Submission{
		Payload: p, Request: map[string]string{"recoveryId": r.SessionID}, Receipt: door.Receipt{Message: "Accepted.", AggregateID: r.SessionID},
	})
}
