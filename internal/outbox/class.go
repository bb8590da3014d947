package outbox

// Class says why a command did not end at its first attempt, and so what is
// done about it.
type Class string

const (
	// Conflict: the ledger validated the transaction against newer state. A new
	// transaction is made soon.
	Conflict Class = "CONFLICT"
	// Unavailable: the ledger or the database could not be reached. It is tried
	// again for as long as it takes.
	Unavailable Class = "UNAVAILABLE"
	// Deferred: the system is paused. It is tried again for as long as it takes.
	Deferred Class = "DEFERRED"
	// Fault: no known reason, or the submitter died over it. A limited number of attempts.
	Fault Class = "FAULT"
	// Poison: the row can't be read as a command. Dead at once.
	Poison Class = "POISON"
	// Refused: the ledger refused the command as a whole, without recording it. Dead at once.
	Refused Class = "REFUSED"
	// Invalid: the ledger recorded the transaction as invalid for good. Dead at once.
	Invalid Class = "INVALID"
)
