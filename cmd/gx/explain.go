package main

import (
	"errors"
	"fmt"
	"io"

	"gxcoin.money/gx/api/client"
)

// remediesOf say what to do about a problem, by its code.
var remediesOf = map[string]string{
	"token_missing":            "Log in: gx login",
	"token_malformed":          "Log in: gx login",
	"token_expired":            "Log in again: gx login",
	"token_revoked":            "The session has ended. Log in again: gx login",
	"MFA_REQUIRED":             "Show your second factor (gx staff mfa confirm); who has none yet enrols one first (gx staff mfa setup).",
	"password_change_required": "Change your password first: gx staff password",
	"insufficient_funds":       "See what is available: gx wallet balance",
	"to_id_invalid":            "Compare the GX id with the one you were given; it has five groups, as in CC KKK LLLDDD TAAAA NNNN.",
	"idempotency_key_reused":   "Give another --key, or send exactly what was sent with this one.",
	"idempotency_in_progress":  "The first request with this key is still at work: repeat this one in a moment.",
	"approval_required":        "Ask for it: a second person decides (gx approval list).",
	"endorsements_missing":     "Everybody with a stake agrees first: gx org endorse",
	"rate_limited":             "Wait as long as it says, then repeat.",
	"not_yet_visible":          "Repeat in a moment.",
	"not_found":                "Check the id; what belongs to somebody else looks as if it didn't exist.",
	"system_paused":            "The system is paused; reads go on.",
	"overloaded":               "Too much is asked of it just now: repeat in a moment.",
	"backlog_full":             "Too much waits for the ledger: repeat later; what was accepted is kept.",
}

// explain writes an error for a person: what is wrong with each field, and what
// to do about it.
func explain(w io.Writer, err error) {
	if joined, ok := err.(interface{ Unwrap() []error }); ok && len(joined.Unwrap()) == 1 { // by the parser
		err = joined.Unwrap()[0]
	}
	p := (*client.Problem)(nil)
	if !errors.As(err, &p) {
		fmt.Fprintf(w, "gx: %v\n", err)
		if errors.Is(err, client.ErrNotLoggedIn) {
			fmt.Fprintln(w, "  Log in: gx login")
		}
		return
	}
	text := err.Error()
	if errors.Unwrap(err) == error(p) { // no more than the request is around it
		text = fmt.Sprintf("%s (%d %s)", p.Detail, p.Status, p.Code)
	}
	fmt.Fprintf(w, "gx: %s\n", text)
	if len(p.Errors) > 1 {
		for _, f := range p.Errors {
			fmt.Fprintf(w, "  %s %s (%s)\n", f.Field, f.Message, f.Code)
		}
	}
	if p.Facts["required"] != "" && p.Facts["available"] != "" {
		fmt.Fprintf(w, "  Needed: %s. Available: %s.\n", gxOf(p.Facts["required"]), gxOf(p.Facts["available"]))
	}
	if p.RetryAfter > 0 {
		fmt.Fprintf(w, "  It may be repeated in %s.\n", p.RetryAfter)
	}
	if remedy := remediesOf[p.Code]; remedy != "" {
		fmt.Fprintf(w, "  %s\n", remedy)
	}
	if p.Status >= 500 && p.RequestID != "" {
		fmt.Fprintf(w, "  When asking for help, quote request %s.\n", p.RequestID)
	}
}
