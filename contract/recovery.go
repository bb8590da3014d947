package contract

import (
	"slices"
	"time"

	"gxcoin.money/gx/protocol/account"
	"gxcoin.money/gx/protocol/command"
	"gxcoin.money/gx/protocol/event"
	"gxcoin.money/gx/protocol/parameter"
	"gxcoin.money/gx/protocol/status"
)

const (
	// recoveryTime is how long guardians can confirm a recovery.
	recoveryTime = 7 * 24 * time.Hour
	// objectionTime is how long the owner can object to a confirmed recovery.
	objectionTime = 48 * time.Hour
	// recoveryReason is why an account is frozen while its owner may object.
	recoveryReason = "RECOVERY"
)

// RecoverySession is the attempt of guardians to recover a lost account.
type RecoverySession struct {
	SessionID            string          `json:"sessionID"`
	LostAccountID        string          `json:"lostAccountID"`
	NewControllerKeyHash string          `json:"newControllerKeyHash"`
	Status               status.Recovery `json:"status"`
	Confirmations        []string        `json:"confirmations"` // guardians, in the order of their votes
	Required             int             `json:"required"`
	Froze                bool            `json:"froze"` // the recovery froze the account
	CreatedAt            time.Time       `json:"createdAt"`
	ExpiresAt            time.Time       `json:"expiresAt"`
	ConfirmedAt          *time.Time      `json:"confirmedAt,omitzero"`
	EndedAt              *time.Time      `json:"endedAt,omitzero"`
}

// Guardians are the people who can recover a person's account.
type Guardians struct {
	UserID      string    `json:"userID"`
	GuardianIDs []string  `json:"guardianIDs"` // sorted
	UpdatedAt   time.Time `json:"updatedAt"`
}

func init() {
	enabled := parameterKey(parameter.RecoveryEnabled)
	handle(nominateGuardians, func(p *command.NominateGuardians) []string {
		keys := []string{enabled, accountKey(p.ActorID), guardiansKey(p.ActorID), openRecoveryKey(p.ActorID)}
		for _, id := range p.GuardianIDs {
			keys = append(keys, accountKey(id))
		}
		return keys
	}, "GuardiansNominated")
	handle(initiateRecovery, func(p *command.InitiateRecovery) []string {
		return []string{enabled, accountKey(p.ActorID), accountKey(p.LostAccountID), guardiansKey(p.LostAccountID), openRecoveryKey(p.LostAccountID)}
	}, "RecoveryExpired", "RecoveryInitiated", "RecoveryConfirmed", "WalletFrozen")
	handle(confirmRecovery, func(p *command.ConfirmRecovery) []string {
		return append([]string{enabled, accountKey(p.ActorID)}, recoveryKeys(p.SessionID, p.LostAccountID)...)
	}, "RecoveryVoteCast", "RecoveryConfirmed", "WalletFrozen")
	handle(executeRecovery, func(p *command.ExecuteRecovery) []string {
		return append([]string{enabled}, recoveryKeys(p.SessionID, p.LostAccountID)...)
	}, "RecoveryExecuted", "WalletUnfrozen")
	handle(cancelRecovery, func(p *command.CancelRecovery) []string { return recoveryKeys(p.SessionID, p.ActorID) },
		"RecoveryCancelled", "WalletUnfrozen")
	query(command.IdentityContract, "GetGuardians", []string{"userID"}, func(t *tx, args []string) (*Guardians, error) {
		if _, err := t.user(args[0]); err != nil {
			return nil, err
		}
		return t.guardians(args[0])
	})
	query(command.IdentityContract, "GetRecoverySession", []string{"sessionID"}, func(t *tx, args []string) (*RecoverySession, error) {
		return t.recovery(args[0])
	})
}

func guardiansKey(userID string) string    { return compositeKey("grd", userID) }
func recoveryKey(id string) string         { return compositeKey("rec", id) }
func openRecoveryKey(userID string) string { return compositeKey("recOpen", userID) }

func recoveryKeys(sessionID, lostAccountID string) []string {
	keys := []string{recoveryKey(sessionID)}
	if lostAccountID != "" {
		keys = append(keys, accountKey(lostAccountID), userKey(lostAccountID), guardiansKey(lostAccountID))
	}
	return keys
}

// guardians returns the guardians of a person, possibly none.
func (t *tx) guardians(userID string) (*Guardians, error) {
	g, err := load[Guardians](t, guardiansKey(userID))
	if err == nil && g == nil {
		g = &Guardians{UserID: userID, GuardianIDs: []string{}}
	}
	return g, err
}

func (t *tx) recovery(id string) (*RecoverySession, error) {
	s, err := load[RecoverySession](t, recoveryKey(id))
	if err == nil && s == nil {
		err = refuse(CodeNotFound, "recovery session %s does not exist", id)
	}
	return s, err
}

func (t *tx) setRecovery(s *RecoverySession) error { return store(t, recoveryKey(s.SessionID), s) }

// endRecovery stores a session that is over.
func (t *tx) endRecovery(s *RecoverySession, end status.Recovery) error {
	s.Status, s.EndedAt = end, &t.now
	t.delete(openRecoveryKey(s.LostAccountID))
	return t.setRecovery(s)
}

// openRecovery returns the session of an account that is not over, nil when
// there is none. One that was not confirmed in time is expired.
func (t *tx) openRecovery(userID string) (s *RecoverySession, expired bool, err error) {
	id, err := t.get(openRecoveryKey(userID))
	if err != nil || id == nil {
		return nil, false, err
	}
	if s, err = t.recovery(string(id)); err != nil {
		return nil, false, err
	}
	return s, s.Status == status.RecoveryPending && !t.now.Before(s.ExpiresAt), nil
}

// recoverable refuses while recovery is switched off.
func (t *tx) recoverable() error {
	on, err := t.parameter(parameter.RecoveryEnabled)
	if err == nil && on == 0 {
		err = refuse(CodeInvalidState, "account recovery is not enabled")
	}
	return err
}

func nominateGuardians(t *tx, p *command.NominateGuardians) (any, error) {
	if err := t.recoverable(); err != nil {
		return nil, err
	}
	for _, id := range append([]string{p.ActorID}, p.GuardianIDs...) {
		if _, err := t.actor(id); err != nil {
			return nil, err
		}
	}
	s, expired, err := t.openRecovery(p.ActorID)
	if err != nil {
		return nil, err
	}
	if s != nil && !expired {
		return nil, refuse(CodeInvalidState, "recovery session %s is open", s.SessionID)
	}
	g := &Guardians{UserID: p.ActorID, GuardianIDs: slices.Sorted(slices.Values(p.GuardianIDs)), UpdatedAt: t.now}
	if err := store(t, guardiansKey(p.ActorID), g); err != nil {
		return nil, err
	}
	return nil, t.emit(&event.GuardiansNominated{UserID: g.UserID, GuardianIDs: g.GuardianIDs})
}

// guardian checks that an actor may vote on the recovery of an account, and
// returns its guardians and the account.
func (t *tx) guardian(actorID, lostAccountID string) (*Guardians, *Account, error) {
	if _, err := t.actor(actorID); err != nil {
		return nil, nil, err
	}
	lost, err := t.account(lostAccountID)
	if err != nil {
		return nil, nil, err
	}
	if lost.Status.Terminal() {
		return nil, nil, refuse(CodeInvalidState, "account %s is %s", lost.AccountID, lost.Status)
	}
	g, err := t.guardians(lostAccountID)
	if err != nil {
		return nil, nil, err
	}
	if !slices.Contains(g.GuardianIDs, actorID) {
		return nil, nil, refuse(CodeUnauthorized, "%s is no guardian of %s", actorID, lostAccountID)
	}
	return g, lost, nil
}

func initiateRecovery(t *tx, p *command.InitiateRecovery) (any, error) {
	if err := t.recoverable(); err != nil {
		return nil, err
	}
	g, _, err := t.guardian(p.ActorID, p.LostAccountID)
	if err != nil {
		return nil, err
	}
	old, expired, err := t.openRecovery(p.LostAccountID)
	switch {
	case err != nil:
		return nil, err
	case expired:
		if err := t.endRecovery(old, status.RecoveryExpired); err != nil {
			return nil, err
		}
		if err := t.emit(&event.RecoveryExpired{SessionID: old.SessionID, LostAccountID: old.LostAccountID}); err != nil {
			return nil, err
		}
	case old != nil:
		return nil, refuse(CodeInvalidState, "recovery session %s is open", old.SessionID)
	}
	s := &RecoverySession{
		SessionID: t.newID(command.RecoveryPrefix), LostAccountID: p.LostAccountID, NewControllerKeyHash: p.NewControllerKeyHash,
		Status: status.RecoveryPending, Confirmations: []string{p.ActorID}, Required: len(g.GuardianIDs)/2 + 1,
		CreatedAt: t.now, ExpiresAt: t.now.Add(recoveryTime),
	}
	t.put(openRecoveryKey(s.LostAccountID), []byte(s.SessionID))
	if err := t.setRecovery(s); err != nil {
		return nil, err
	}
	return map[string]string{"sessionID": s.SessionID}, t.emit(&event.RecoveryInitiated{
		SessionID: s.SessionID, LostAccountID: s.LostAccountID, InitiatorID: p.ActorID, NewControllerKeyHash: s.NewControllerKeyHash,
		Required: s.Required, ExpiresAt: s.ExpiresAt,
	})
}

// session returns a session that must be of the account, if one is named, and
// have a status.
func (t *tx) session(id, lostAccountID string, want status.Recovery) (*RecoverySession, error) {
	s, err := t.recovery(id)
	switch {
	case err != nil:
		return nil, err
	case lostAccountID != "" && s.LostAccountID != lostAccountID:
		return nil, refuse(CodeInvalidArgument, "lostAccountID: recovery session %s is not of %s", id, lostAccountID)
	case s.Status != want:
		return nil, refuse(CodeInvalidState, "recovery session %s is %s", id, s.Status)
	}
	return s, nil
}

func confirmRecovery(t *tx, p *command.ConfirmRecovery) (any, error) {
	if err := t.recoverable(); err != nil {
		return nil, err
	}
	s, err := t.session(p.SessionID, p.LostAccountID, status.RecoveryPending)
	if err != nil {
		return nil, err
	}
	_, lost, err := t.guardian(p.ActorID, s.LostAccountID)
	switch {
	case err != nil:
		return nil, err
	case !t.now.Before(s.ExpiresAt):
		return nil, refuse(CodeExpired, "recovery session %s has expired", s.SessionID)
	case slices.Contains(s.Confirmations, p.ActorID):
		return nil, refuse(CodeAlreadyApproved, "%s has confirmed recovery session %s already", p.ActorID, s.SessionID)
	}
	s.Confirmations = append(s.Confirmations, p.ActorID)
	if err := t.emit(&event.RecoveryVoteCast{
		SessionID: s.SessionID, LostAccountID: s.LostAccountID, GuardianID: p.ActorID, Confirmations: len(s.Confirmations), Required: s.Required,
	}); err != nil {
		return nil, err
	}
	if len(s.Confirmations) < s.Required {
		return nil, t.setRecovery(s)
	}
	s.Status, s.ConfirmedAt = status.RecoveryConfirmed, &t.now
	if err := t.emit(&event.RecoveryConfirmed{
		SessionID: s.SessionID, LostAccountID: s.LostAccountID, ExecutableAt: t.now.Add(objectionTime),
	}); err != nil {
		return nil, err
	}
	if lost.Status == account.Active {
		s.Froze = true
		if err := t.setStatus(lost, account.Frozen, recoveryReason); err != nil {
			return nil, err
		}
		if err := t.emit(&event.WalletFrozen{AccountID: lost.AccountID, Reason: recoveryReason, FrozenAt: t.now}); err != nil {
			return nil, err
		}
	}
	return nil, t.setRecovery(s)
}

func executeRecovery(t *tx, p *command.ExecuteRecovery) (any, error) {
	if err := t.recoverable(); err != nil {
		return nil, err
	}
	s, err := t.session(p.SessionID, p.LostAccountID, status.RecoveryConfirmed)
	if err != nil {
		return nil, err
	}
	if at := s.ConfirmedAt.Add(objectionTime); t.now.Before(at) {
		return nil, refuse(CodeInvalidState, "recovery session %s can be executed from %s on", s.SessionID, at.Format(time.RFC3339))
	}
	a, err := t.account(s.LostAccountID)
	if err != nil {
		return nil, err
	}
	if a.Status.Terminal() {
		return nil, refuse(CodeInvalidState, "account %s is %s", a.AccountID, a.Status)
	}
	u, err := t.user(s.LostAccountID)
	if err != nil {
		return nil, err
	}
	u.RecoveryEpoch++
	u.ControllerKeyHash = s.NewControllerKeyHash
	if err := t.setUser(u); err != nil {
		return nil, err
	}
	if err := t.endRecovery(s, status.RecoveryExecuted); err != nil {
		return nil, err
	}
	if err := t.emit(&event.RecoveryExecuted{
		SessionID: s.SessionID, LostAccountID: s.LostAccountID, ControllerKeyHash: u.ControllerKeyHash, RecoveryEpoch: u.RecoveryEpoch,
	}); err != nil {
		return nil, err
	}
	return nil, t.thaw(s, a)
}

// cancelRecovery works while recovery is switched off, and for an account that
// the recovery has frozen: an owner can always object.
func cancelRecovery(t *tx, p *command.CancelRecovery) (any, error) {
	s, err := t.recovery(p.SessionID)
	switch {
	case err != nil:
		return nil, err
	case s.LostAccountID != p.ActorID:
		return nil, refuse(CodeUnauthorized, "only %s can object to recovery session %s", s.LostAccountID, s.SessionID)
	case s.Status != status.RecoveryPending && s.Status != status.RecoveryConfirmed:
		return nil, refuse(CodeInvalidState, "recovery session %s is %s", s.SessionID, s.Status)
	}
	a, err := t.account(p.ActorID)
	if err != nil {
		return nil, err
	}
	if !s.thaws(a) {
		if _, err := t.actor(p.ActorID); err != nil {
			return nil, err
		}
	}
	if err := t.endRecovery(s, status.RecoveryCancelled); err != nil {
		return nil, err
	}
	if err := t.emit(&event.RecoveryCancelled{SessionID: s.SessionID, LostAccountID: s.LostAccountID}); err != nil {
		return nil, err
	}
	return nil, t.thaw(s, a)
}

// thaws reports whether a is frozen because of s alone.
func (s *RecoverySession) thaws(a *Account) bool {
	return s.Froze && a.Status == account.Frozen && a.FrozenReason == recoveryReason
}

// thaw ends the freeze that a recovery began.
func (t *tx) thaw(s *RecoverySession, a *Account) error {
	if !s.thaws(a) {
		return nil
	}
	if err := t.setStatus(a, account.Active, ""); err != nil {
		return err
	}
	return t.emit(&event.WalletUnfrozen{AccountID: a.AccountID, UnfrozenAt: t.now})
}
