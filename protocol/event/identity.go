package event

import (
	"time"

	"gxcoin.money/gx/protocol/account"
)

// UserCreated registers a person; the account of the same id exists from now on.
type UserCreated struct {
	UserID        string    `json:"userID"`
	BiometricHash string    `json:"biometricHash"`
	Nationality   string    `json:"nationality"`
	Status        string    `json:"status"`
	TrustScore    int       `json:"trustScore"`
	GenesisStatus string    `json:"genesisStatus"`
	At            time.Time `json:"at"`
}

// UserStatusChanged changes what a person, and the account of the same id, may do.
type UserStatusChanged struct {
	UserID    string         `json:"userID"`
	OldStatus account.Status `json:"oldStatus"`
	NewStatus account.Status `json:"newStatus"`
	Reason    string         `json:"reason"`
}

// TrustScoreUpdated is a person's trust score with its parts, see trust.Score.
type TrustScoreUpdated struct {
	UserID   string `json:"userID"`
	Score    int    `json:"score"` // the total
	Family   int    `json:"family"`
	Business int    `json:"business"`
	Friends  int    `json:"friends"`
	Loans    int    `json:"loans"`
}

func init() {
	define(true, func() Event { return new(UserCreated) })
	define(true, func() Event { return new(UserStatusChanged) })
	define(false, func() Event { return new(TrustScoreUpdated) })
}

func (*UserCreated) EventType() Type       { return "UserCreated" }
func (*UserStatusChanged) EventType() Type { return "UserStatusChanged" }
func (*TrustScoreUpdated) EventType() Type { return "TrustScoreUpdated" }
