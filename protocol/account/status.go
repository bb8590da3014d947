package account

// Status says what an account, and the person or organization behind it, may do.
type Status string

const (
	Active    Status = "ACTIVE"
	Frozen    Status = "FROZEN"    // pays and acts no more, until a super admin ends it
	Suspended Status = "SUSPENDED" // a person who may not act, for now
	Closed    Status = "CLOSED"    // for good, with a balance of zero
	Deceased  Status = "DECEASED"  // for good
)

// ParseStatus returns the status spelled s; LOCKED is another word for FROZEN.
func ParseStatus(s string) (Status, bool) {
	switch t := Status(s); t {
	case Active, Frozen, Suspended, Closed, Deceased:
		return t, true
	}
	if s == "LOCKED" {
		return Frozen, true
	}
	return "", false
}

// Terminal reports whether nothing follows the status.
func (s Status) Terminal() bool { return s == Closed || s == Deceased }

// CanBecome reports whether a super admin may change the status of a person to next.
func (s Status) CanBecome(next Status) bool {
	switch next {
	case Deceased:
		return s != Deceased
	case Closed:
		return !s.Terminal()
	case Active:
		return s == Frozen || s == Suspended
	case Frozen, Suspended:
		return s == Active
	}
	return false
}
