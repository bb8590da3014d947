package problem_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/jackc/pgx/v5/pgconn"

	"gxcoin.money/gx/internal/platform/problem"
)

func TestInvalidCode(t *testing.T) {
	for in, want := range map[string]string{
		"amount": "amount_invalid", "toID": "to_id_invalid", "dateOfBirth": "date_of_birth_invalid",
		"documents[2].side": "side_invalid", "userIds[0]": "user_ids_invalid", "Idempotency-Key": "idempotency_key_invalid",
	} {
		if got := problem.InvalidCode(in); got != want {
			t.Errorf("InvalidCode(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestFromHidesCauses(t *testing.T) {
	for name, tc := range map[string]struct {
		err    error
		status int
		code   string
	}{
		"own":      {fmt.Errorf("wrapped: %w", problem.New(423, "account_frozen", "frozen")), 423, "account_frozen"},
		"deadline": {context.DeadlineExceeded, 503, "timeout"},
		"database": {&pgconn.PgError{Code: "57P01", Message: "terminating secret"}, 503, "unavailable"},
		"other":    {errors.New("secret"), 500, "internal_error"},
	} {
		t.Run(name, func(t *testing.T) {
			w := httptest.NewRecorder()
			problem.From(tc.err).At("/x", "r1").Write(w)
			if w.Code != tc.status || w.Header().Get("Content-Type") != problem.MediaType {
				t.Errorf("answer %d %s", w.Code, w.Header())
			}
			if strings.Contains(w.Body.String(), "secret") {
				t.Errorf("body leaks the cause: %s", w.Body)
			}
			var body map[string]any
			if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil {
				t.Fatal(err)
			}
			if body["code"] != tc.code || body["error"] != http.StatusText(tc.status) || body["success"] != false ||
				body["message"] != body["detail"] || body["requestId"] != "r1" || body["instance"] != "/x" {
				t.Errorf("body %v", body)
			}
		})
	}
}

func TestWithDoesNotChangeTheOriginal(t *testing.T) {
	p := problem.New(422, "insufficient_funds", "no")
	_ = p.WithFact("available", "1").WithHeader("X", "y").At("/p", "r")
	if p.Facts != nil || p.GetHeaders() != nil || p.Instance != "" {
		t.Errorf("changed: %+v", p)
	}
}
