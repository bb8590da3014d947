package contract

import (
	"fmt"
	"time"

	"gxcoin.money/gx/protocol/account"
	"gxcoin.money/gx/protocol/command"
	"gxcoin.money/gx/protocol/event"
	"gxcoin.money/gx/protocol/parameter"
	"gxcoin.money/gx/protocol/qirat"
)

var (
	statusKey    = compositeKey("sys", "status")
	bootstrapKey = compositeKey("sys", "bootstrap")
	countriesKey = compositeKey("sys", "countryInit")
)

// SystemStatus says whether the ledger takes commands.
type SystemStatus struct {
	Paused    bool       `json:"paused"`
	Reason    string     `json:"reason"`
	ChangedAt *time.Time `json:"changedAt"` // nil before the bootstrap
	ChangedBy string     `json:"changedBy"` // hash of the caller
}

// bootstrapRecord marks a ledger as open.
type bootstrapRecord struct {
	TxID string    `json:"txID"`
	At   time.Time `json:"at"`
}

func init() {
	handle(bootstrapSystem, bootstrapKeys, "SystemBootstrapped")
	handle(pauseSystem, nil, "SystemPaused").whilePaused = true
	handle(resumeSystem, nil, "SystemResumed").whilePaused = true
	query(command.AdminContract, "GetSystemStatus", nil, func(t *tx, _ []string) (*SystemStatus, error) { return t.status() })
}

func bootstrapKeys(*command.BootstrapSystem) []string {
	keys := []string{bootstrapKey}
	for _, p := range account.Pools {
		keys = append(keys, accountKey(p.Account))
	}
	return keys
}

func (t *tx) status() (*SystemStatus, error) {
	s, err := load[SystemStatus](t, statusKey)
	if err == nil && s == nil {
		s = &SystemStatus{}
	}
	return s, err
}

var errPaused = refuse(CodeSystemPaused, "system is paused")

// running returns errPaused while the system is paused.
func (t *tx) running() error {
	paused, err := recall(t, statusKey, func(s *SystemStatus) (bool, error) { return s != nil && s.Paused, nil })
	if err == nil && paused {
		err = errPaused
	}
	return err
}

func bootstrapSystem(t *tx, _ *command.BootstrapSystem) (any, error) {
	done, err := t.get(bootstrapKey)
	if err != nil {
		return nil, err
	}
	if done != nil {
		return nil, refuse(CodeAlreadyExists, "the system is bootstrapped already")
	}
	e := &event.SystemBootstrapped{MaxSupply: qirat.MaxSupply}
	for _, p := range account.Pools {
		a := &Account{AccountID: p.Account, Kind: account.System, Status: account.Active, Balance: qirat.Amount(p.Opening)}
		if err := t.addAccount(a); err != nil {
			return nil, err
		}
		e.Pools = append(e.Pools, event.PoolOpening{AccountID: p.Account, Opening: a.Balance})
	}
	by := t.callerHash()
	for _, p := range parameter.All() {
		v := &SystemParameter{ParamID: p.ID, Value: p.Format(p.Default), UpdatedAt: t.now, UpdatedBy: by}
		if err := store(t, parameterKey(p.ID), v); err != nil {
			return nil, err
		}
		e.Parameters = append(e.Parameters, event.Parameter{ParamID: p.ID, Value: v.Value})
	}
	if err := store(t, bootstrapKey, &bootstrapRecord{TxID: t.stub.TxID(), At: t.now}); err != nil {
		return nil, err
	}
	if err := store(t, statusKey, &SystemStatus{ChangedAt: &t.now, ChangedBy: by}); err != nil {
		return nil, err
	}
	supply, err := t.pooled()
	if err != nil {
		return nil, err
	}
	if supply != qirat.MaxSupply {
		return nil, fmt.Errorf("bootstrap: the pools hold %s, not the supply of %s", supply, qirat.MaxSupply)
	}
	return nil, t.emit(e)
}

func pauseSystem(t *tx, p *command.PauseSystem) (any, error) {
	s, err := t.status()
	switch {
	case err != nil:
		return nil, err
	case s.ChangedAt == nil:
		return nil, refuse(CodeInvalidState, "the system is not bootstrapped")
	case s.Paused:
		return nil, refuse(CodeInvalidState, "the system is paused already")
	}
	if err := store(t, statusKey, &SystemStatus{Paused: true, Reason: p.Reason, ChangedAt: &t.now, ChangedBy: t.callerHash()}); err != nil {
		return nil, err
	}
	return nil, t.emit(&event.SystemPaused{Reason: p.Reason})
}

func resumeSystem(t *tx, _ *command.ResumeSystem) (any, error) {
	s, err := t.status()
	switch {
	case err != nil:
		return nil, err
	case !s.Paused:
		return nil, refuse(CodeInvalidState, "the system is not paused")
	}
	if err := store(t, statusKey, &SystemStatus{ChangedAt: &t.now, ChangedBy: t.callerHash()}); err != nil {
		return nil, err
	}
	return nil, t.emit(&event.SystemResumed{})
}
