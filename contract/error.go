package contract

import (
	"errors"
	"fmt"

	"gxcoin.money/gx/protocol/qirat"
)

// Code classifies a refusal. Clients decide by it, people read the message.
type Code string

const (
	CodeUnauthorized         Code = "UNAUTHORIZED"
	CodeSystemPaused         Code = "SYSTEM_PAUSED"
	CodeInvalidArgument      Code = "INVALID_ARGUMENT"
	CodeNotFound             Code = "NOT_FOUND"
	CodeAlreadyExists        Code = "ALREADY_EXISTS"
	CodeInvalidState         Code = "INVALID_STATE"
	CodeInsufficientFunds    Code = "INSUFFICIENT_FUNDS"
	CodeAccountFrozen        Code = "ACCOUNT_FROZEN"
	CodeCountryNotRegistered Code = "COUNTRY_NOT_REGISTERED"
	CodeGenesisDistributed   Code = "GENESIS_ALREADY_DISTRIBUTED"
	CodeIdempotencyConflict  Code = "IDEMPOTENCY_CONFLICT"
	CodeLimitExceeded        Code = "LIMIT_EXCEEDED"
	CodeNotEligible          Code = "NOT_ELIGIBLE"
	CodeVotingClosed         Code = "VOTING_CLOSED"
	CodeAlreadyVoted         Code = "ALREADY_VOTED"
	CodeAlreadyApproved      Code = "ALREADY_APPROVED"
	CodeExpired              Code = "EXPIRED"
	CodeOverflow             Code = "OVERFLOW"
)

// Error is the refusal of a rule. It is the same on every peer. Any other error
// is a failure of the engine or of the state and aborts the transaction.
type Error struct {
	Code    Code
	Message string
}

func (e *Error) Error() string { return string(e.Code) + ": " + e.Message }

func refuse(code Code, format string, args ...any) error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// refusal returns the rule's refusal that err is, nil when it is a failure.
func refusal(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	if errors.Is(err, qirat.ErrRange) {
		return &Error{Code: CodeOverflow, Message: "an amount is above the maximum supply"}
	}
	return nil
}
