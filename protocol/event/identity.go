package event

import "time"

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

func init() {
	define(true, func() Event { return new(UserCreated) })
}

func (*UserCreated) EventType() Type { return "UserCreated" }
