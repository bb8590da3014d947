package readmodel

import "gxcoin.money/gx/protocol/event"

// Handles reports whether an event type has a handler.
func Handles(t event.Type) bool { return handlers[t] != nil }
