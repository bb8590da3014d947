package contract

import (
	"strconv"
	"time"

	"gxcoin.money/gx/protocol/account"
	"gxcoin.money/gx/protocol/command"
	"gxcoin.money/gx/protocol/event"
	"gxcoin.money/gx/protocol/parameter"
	"gxcoin.money/gx/protocol/status"
)

// AdminRecord is an entry of the register of administrators.
type AdminRecord struct {
	AdminID     string    `json:"adminID"`
	AppointedBy string    `json:"appointedBy"`
	AppointedAt time.Time `json:"appointedAt"`
}

// AuditAnchor is a head of the audit trail.
type AuditAnchor struct {
	Sequence   int64     `json:"sequence"`
	Hash       string    `json:"hash"`
	AnchoredAt time.Time `json:"anchoredAt"`
}

func anchorKey(sequence int64) string { return compositeKey("anchor", strconv.FormatInt(sequence, 10)) }

func adminKey(id string) string { return compositeKey("adm", id) }

func init() {
	handle(emergencySetParameter, func(p *command.EmergencySetParameter) []string { return []string{parameterKey(p.ParamID)} }, "SystemParameterUpdated")
	handle(appointAdmin, appointAdminKeys, "AdminAppointed")
	handle(revokeAdmin, func(p *command.RevokeAdmin) []string { return []string{adminKey(p.AdminID)} }, "AdminRevoked")
	handle(anchorAudit, func(p *command.AnchorAudit) []string { return []string{anchorKey(p.Sequence)} }, "AuditAnchored")
	handle(activateTreasury, activateTreasuryKeys, "TreasuryActivated")
	handle(disburseFromPool, disburseFromPoolKeys, "PoolDisbursed")
}

func emergencySetParameter(t *tx, p *command.EmergencySetParameter) (any, error) {
	old, err := t.setParameter(p.ParamID, p.NewValue, t.callerHash())
	if err != nil {
		return nil, err
	}
	return nil, t.emit(&event.SystemParameterUpdated{
		ParamID: p.ParamID, OldValue: old, NewValue: p.NewValue, Source: status.SourceEmergency, Cause: p.Reason,
	})
}

func appointAdminKeys(p *command.AppointAdmin) []string {
	return append(staffKeys(p.Actor()), adminKey(p.NewAdminID), accountKey(p.NewAdminID))
}

func appointAdmin(t *tx, p *command.AppointAdmin) (any, error) {
	if err := t.staff(p.Actor()); err != nil {
		return nil, err
	}
	if _, err := t.actor(p.NewAdminID); err != nil {
		return nil, err
	}
	old, err := t.get(adminKey(p.NewAdminID))
	if err != nil {
		return nil, err
	}
	if old != nil {
		return nil, refuse(CodeAlreadyExists, "%s is an administrator already", p.NewAdminID)
	}
	r := &AdminRecord{AdminID: p.NewAdminID, AppointedBy: p.ActorID, AppointedAt: t.now}
	if err := store(t, adminKey(r.AdminID), r); err != nil {
		return nil, err
	}
	return nil, t.emit(&event.AdminAppointed{AdminID: r.AdminID, AppointedBy: r.AppointedBy})
}

func revokeAdmin(t *tx, p *command.RevokeAdmin) (any, error) {
	old, err := t.get(adminKey(p.AdminID))
	if err != nil {
		return nil, err
	}
	if old == nil {
		return nil, refuse(CodeNotFound, "%s is not an administrator", p.AdminID)
	}
	t.delete(adminKey(p.AdminID))
	return nil, t.emit(&event.AdminRevoked{AdminID: p.AdminID})
}

func anchorAudit(t *tx, p *command.AnchorAudit) (any, error) {
	old, err := t.get(anchorKey(p.Sequence))
	if err != nil {
		return nil, err
	}
	if old != nil {
		return nil, refuse(CodeAlreadyExists, "record %d of the audit trail is anchored already", p.Sequence)
	}
	a := &AuditAnchor{Sequence: p.Sequence, Hash: p.Hash, AnchoredAt: t.now}
	if err := store(t, anchorKey(a.Sequence), a); err != nil {
		return nil, err
	}
	return nil, t.emit(&event.AuditAnchored{Sequence: a.Sequence, Hash: a.Hash})
}

func activateTreasuryKeys(p *command.ActivateTreasury) []string {
	return []string{accountKey(account.TreasuryOf(p.CountryCode)), accountKey(p.OrgID)}
}

func activateTreasury(t *tx, p *command.ActivateTreasury) (any, error) {
	treasury, err := t.account(account.TreasuryOf(p.CountryCode))
	if err != nil {
		return nil, err
	}
	if treasury.Owner != "" {
		return nil, refuse(CodeInvalidState, "treasury %s is active: %s controls it", treasury.AccountID, treasury.Owner)
	}
	org, err := t.account(p.OrgID)
	if err != nil {
		return nil, err
	}
	switch {
	case org.Kind != account.Government || org.Country != p.CountryCode:
		return nil, refuse(CodeNotEligible, "%s is not a government organization of %s", p.OrgID, p.CountryCode)
	case org.Status != account.Active:
		return nil, refuse(CodeInvalidState, "organization %s is %s", p.OrgID, org.Status)
	}
	treasury.Owner = p.OrgID
	if err := t.setAccount(treasury); err != nil {
		return nil, err
	}
	return nil, t.emit(&event.TreasuryActivated{TreasuryID: treasury.AccountID, CountryCode: p.CountryCode, OrgID: p.OrgID})
}

func disburseFromPoolKeys(p *command.DisburseFromPool) []string {
	return []string{accountKey(p.Account()), accountKey(p.RecipientID), parameterKey(parameter.PoolDisburseMax)}
}

func disburseFromPool(t *tx, p *command.DisburseFromPool) (any, error) {
	if err := t.disbursable(p.Amount); err != nil {
		return nil, err
	}
	pool, err := t.account(p.Account())
	if err != nil {
		return nil, err
	}
	recipient, err := t.payee(p.RecipientID)
	if err != nil {
		return nil, err
	}
	if err := t.move(movement{From: pool, To: recipient, Amount: p.Amount, Type: EntryPoolDisbursement, Remark: p.Reason}); err != nil {
		return nil, err
	}
	return nil, t.emit(&event.PoolDisbursed{
		PoolID: pool.AccountID, RecipientID: recipient.AccountID, Amount: p.Amount, Reason: p.Reason,
		RecipientBalanceAfter: balanceAfter(recipient), RecipientVelocityTimerStart: recipient.VelocityTaxTimerStart,
	})
}
