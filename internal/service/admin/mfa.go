package admin

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"gxcoin.money/gx/internal/audit"
	"gxcoin.money/gx/internal/platform/problem"
	"gxcoin.money/gx/internal/platform/totp"
	"gxcoin.money/gx/internal/service/door"
)

// issuer is how an authenticator app names us.
const issuer = "GX Staff"

// A challenge lasts challengeLifetime and is void after challengeAttempts codes.
const (
	challengeLifetime = 5 * time.Minute
	challengeAttempts = 5
)

const recoveryCodes = 10

var (
	errChallenge = problem.New(http.StatusUnauthorized, "SESSION_EXPIRED", "Log in again: the time for the second factor is over.")
	errMFA       = problem.New(http.StatusUnauthorized, "MFA_INVALID", "The code is wrong or was used before, or there were too many attempts.")
	errEnabled   = problem.New(http.StatusConflict, "mfa_enabled", "You have a second factor already; disable it first.")
)

type codeInput struct {
	Body struct {
		Code string `json:"code" minLength:"6" maxLength:"40" doc:"Six digits of the authenticator app, or a recovery code"`
	}
}

type verifyInput struct {
	Body struct {
		MFAToken string `json:"mfaToken" maxLength:"200"`
		Code     string `json:"code" minLength:"6" maxLength:"40" doc:"Six digits of the authenticator app, or a recovery code"`
	}
}

// verifyMFA ends a login whose password was right.
func (s admin) verifyMFA(ctx context.Context, in *verifyInput) (*loginOutput, error) {
	challenge := hashSecret(in.Body.MFAToken)
	var id uuid.UUID
	err := s.Pool.QueryRow(ctx, `UPDATE app.staff_challenges SET attempts = attempts + 1
		WHERE token_hash = $1 AND client_hash = $2 AND expires_at > $3 AND attempts < $4 RETURNING staff_id`,
		challenge, s.ClientHash(ctx), s.Clock(), challengeAttempts).Scan(&id)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, errChallenge
	}
	if err != nil {
		return nil, fmt.Errorf("read challenge: %w", err)
	}
	key := "mfa:" + id.String()
	if err := s.Spend(ctx, door.ClassLogin, key); err != nil {
		return nil, err
	}
	ok, err := s.proveSecondFactor(ctx, id, in.Body.Code)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, s.refused(ctx, id, errMFA)
	}
	s.Refund(ctx, door.ClassLogin, key)
	a, err := s.account(ctx, id)
	if err != nil {
		return nil, err
	}
	if !a.Active {
		return nil, problem.New(http.StatusForbidden, "ACCOUNT_DISABLED", "This account is disabled.")
	}
	return s.open(ctx, a, challenge)
}

// proveSecondFactor reports whether code is a password of the moment or a
// recovery code of the account, and uses it up. Wrong ones count as failed logins.
func (s admin) proveSecondFactor(ctx context.Context, id uuid.UUID, code string) (bool, error) {
	return s.Attempt(ctx, door.Staff, id, func(passwordHash string) (ok bool, err error) {
		if passwordHash == "" {
			return false, nil
		}
		err = pgx.BeginFunc(ctx, s.Pool, func(tx pgx.Tx) error {
			ok, err = s.useCode(ctx, tx, id, code)
			return err
		})
		return ok, err
	})
}

func (s admin) useCode(ctx context.Context, tx pgx.Tx, id uuid.UUID, code string) (bool, error) {
	var sealed []byte
	var last int64
	err := tx.QueryRow(ctx, `SELECT totp_secret, totp_last_step FROM app.staff WHERE staff_id = $1 AND totp_secret IS NOT NULL FOR UPDATE`, id).Scan(&sealed, &last)
	if errors.Is(err, pgx.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read second factor: %w", err)
	}
	secret, err := s.Fields.Open(totpContext(id), sealed)
	if err != nil {
		return false, fmt.Errorf("open second factor: %w", err)
	}
	if step, ok := totp.Secret(secret).Verify(code, s.Clock(), last); ok {
		if _, err := tx.Exec(ctx, `UPDATE app.staff SET totp_last_step = $2 WHERE staff_id = $1`, id, step); err != nil {
			return false, fmt.Errorf("use second factor: %w", err)
		}
		return true, nil
	}
	tag, err := tx.Exec(ctx, `UPDATE app.staff_recovery_codes SET used_at = $3 WHERE staff_id = $1 AND code_hash = $2 AND used_at IS NULL`,
		id, s.recoveryHash(id, code), s.Clock())
	if err != nil {
		return false, fmt.Errorf("use recovery code: %w", err)
	}
	if tag.RowsAffected() == 0 {
		return false, nil
	}
	return true, s.Audit(ctx, tx, audit.Record{Actor: staffActor(id), Action: "RECOVERY_CODE_USED", ResourceType: "staff", ResourceID: id.String()})
}

func totpContext(id uuid.UUID) string { return "staff.totp " + id.String() }

func (s admin) recoveryHash(id uuid.UUID, code string) []byte {
	code = strings.ToUpper(strings.NewReplacer("-", "", " ", "").Replace(code))
	return s.Index.Sum("staff.recovery "+id.String(), code)
}

// newRecoveryCodes replaces the recovery codes of an account.
func (s admin) newRecoveryCodes(ctx context.Context, tx pgx.Tx, id uuid.UUID) ([]string, error) {
	if _, err := tx.Exec(ctx, `DELETE FROM app.staff_recovery_codes WHERE staff_id = $1`, id); err != nil {
		return nil, fmt.Errorf("drop recovery codes: %w", err)
	}
	codes, hashes := make([]string, recoveryCodes), make([][]byte, recoveryCodes)
	for i := range codes {
		var b [10]byte
		_, _ = rand.Read(b[:]) // never fails
		c := base32.StdEncoding.EncodeToString(b[:])
		codes[i] = c[:4] + "-" + c[4:8] + "-" + c[8:12] + "-" + c[12:]
		hashes[i] = s.recoveryHash(id, c)
	}
	if _, err := tx.Exec(ctx, `INSERT INTO app.staff_recovery_codes (staff_id, code_hash) SELECT $1, unnest($2::bytea[])`, id, hashes); err != nil {
		return nil, fmt.Errorf("store recovery codes: %w", err)
	}
	return codes, nil
}

type setupInput struct {
	Body struct {
		Password string `json:"password" maxLength:"128" doc:"Again, to be sure that it is you"`
	}
}

type setupOutput struct {
	Body struct {
		Success              bool   `json:"success"`
		Method               string `json:"method" enum:"TOTP"`
		Secret               string `json:"secret" doc:"To be typed into an authenticator app"`
		OtpauthURL           string `json:"otpauthUrl" doc:"The same, to be shown as a QR code"`
		VerificationRequired bool   `json:"verificationRequired" doc:"Enable it with a code next"`
	}
}

func (s admin) setupMFA(ctx context.Context, in *setupInput) (*setupOutput, error) {
	a, err := s.confirmed(ctx, in.Body.Password)
	if err != nil {
		return nil, err
	}
	secret := totp.NewSecret()
	tag, err := s.Pool.Exec(ctx, `UPDATE app.staff SET totp_secret = $2, totp_last_step = 0 WHERE staff_id = $1 AND totp_enabled_at IS NULL`,
		a.ID, s.Fields.Seal(totpContext(a.ID), secret))
	if err != nil {
		return nil, fmt.Errorf("store second factor: %w", err)
	}
	if tag.RowsAffected() == 0 {
		return nil, errEnabled
	}
	var out setupOutput
	b := &out.Body
	b.Success, b.Method, b.Secret, b.OtpauthURL, b.VerificationRequired = true, "TOTP", secret.String(), secret.URL(issuer, a.Username), true
	return &out, nil
}

// confirmed returns the caller's account when password is theirs.
func (s admin) confirmed(ctx context.Context, password string) (staffRow, error) {
	id := door.Caller(ctx).ID
	ok, err := s.CheckPassword(ctx, door.Staff, id, password)
	if err == nil && !ok {
		err = problem.New(http.StatusUnauthorized, "INVALID_CREDENTIALS", "The password is wrong, or there were too many attempts; try again later.")
	}
	if err == nil {
		err = s.LoggedIn(ctx, s.Pool, door.Staff, id)
	}
	if err != nil {
		return staffRow{}, err
	}
	return s.account(ctx, id)
}

type codesOutput struct {
	Body struct {
		Success     bool     `json:"success"`
		Message     string   `json:"message"`
		BackupCodes []string `json:"backupCodes" doc:"Each is good for one login without the app; shown only now"`
	}
}

// changeMFA lets change work on the caller's second factor, which is enabled or
// only set up, after a code proved it.
func (s admin) changeMFA(ctx context.Context, code string, enabled bool, action audit.Action, change func(pgx.Tx, door.Principal) error) error {
	who := door.Caller(ctx)
	a, err := s.account(ctx, who.ID)
	switch {
	case err != nil:
		return err
	case !enabled && a.TOTPEnabledAt != nil:
		return errEnabled
	case enabled && a.TOTPEnabledAt == nil:
		return problem.New(http.StatusConflict, "mfa_not_enabled", "You have no second factor.")
	case a.TOTPSecret == nil:
		return problem.New(http.StatusConflict, "mfa_not_set_up", "Set up a second factor first.")
	}
	ok, err := s.proveSecondFactor(ctx, who.ID, code)
	if err != nil {
		return err
	}
	if !ok {
		return errMFA
	}
	err = pgx.BeginFunc(ctx, s.Pool, func(tx pgx.Tx) error {
		if err := change(tx, who); err != nil {
			return err
		}
		if err := s.LoggedIn(ctx, tx, door.Staff, who.ID); err != nil {
			return err
		}
		return s.Audit(ctx, tx, audit.Record{Action: action, ResourceType: "staff", ResourceID: who.ID.String()})
	})
	s.ForgetSession(who.Session)
	return err
}

// stepUp notes in the caller's session that the second factor was just shown.
func (s admin) stepUp(ctx context.Context, tx pgx.Tx, who door.Principal) error {
	if _, err := tx.Exec(ctx, `UPDATE app.sessions SET mfa_at = $2 WHERE session_id = $1`, who.Session, s.Clock()); err != nil {
		return fmt.Errorf("note the second factor: %w", err)
	}
	return nil
}

func (s admin) enableMFA(ctx context.Context, in *codeInput) (*codesOutput, error) {
	var out codesOutput
	err := s.changeMFA(ctx, in.Body.Code, false, "MFA_ENABLED", func(tx pgx.Tx, who door.Principal) (err error) {
		if _, err := tx.Exec(ctx, `UPDATE app.staff SET totp_enabled_at = $2, updated_at = $2 WHERE staff_id = $1`, who.ID, s.Clock()); err != nil {
			return fmt.Errorf("enable second factor: %w", err)
		}
		if out.Body.BackupCodes, err = s.newRecoveryCodes(ctx, tx, who.ID); err != nil {
			return err
		}
		return s.stepUp(ctx, tx, who)
	})
	out.Body.Success, out.Body.Message = true, "The second factor is enabled. Keep the recovery codes where the app is not."
	return &out, err
}

func (s admin) renewRecoveryCodes(ctx context.Context, in *codeInput) (*codesOutput, error) {
	var out codesOutput
	err := s.changeMFA(ctx, in.Body.Code, true, "RECOVERY_CODES_RENEWED", func(tx pgx.Tx, who door.Principal) (err error) {
		out.Body.BackupCodes, err = s.newRecoveryCodes(ctx, tx, who.ID)
		return err
	})
	out.Body.Success, out.Body.Message = true, "The recovery codes before are void."
	return &out, err
}

func (s admin) stepUpMFA(ctx context.Context, in *codeInput) (*doneOutput, error) {
	err := s.changeMFA(ctx, in.Body.Code, true, "MFA_SHOWN", func(tx pgx.Tx, who door.Principal) error { return s.stepUp(ctx, tx, who) })
	return done("The second factor was shown."), err
}

type disableInput struct {
	Body struct {
		Password string `json:"password" maxLength:"128"`
		Code     string `json:"code" minLength:"6" maxLength:"40"`
	}
}

func (s admin) disableMFA(ctx context.Context, in *disableInput) (*doneOutput, error) {
	a, err := s.confirmed(ctx, in.Body.Password)
	if err != nil {
		return nil, err
	}
	if s.NeedsMFA(a.Role) {
		return nil, problem.New(http.StatusForbidden, "MFA_REQUIRED", "Your role needs a second factor.")
	}
	err = s.changeMFA(ctx, in.Body.Code, true, "MFA_DISABLED", func(tx pgx.Tx, who door.Principal) error { return s.dropMFA(ctx, tx, who.ID) })
	return done("The second factor is disabled."), err
}

// dropMFA takes the second factor from an account.
func (s admin) dropMFA(ctx context.Context, tx pgx.Tx, id uuid.UUID) error {
	if _, err := tx.Exec(ctx, `WITH codes AS (DELETE FROM app.staff_recovery_codes WHERE staff_id = $1)
		UPDATE app.staff SET totp_enabled_at = NULL, totp_secret = NULL, updated_at = $2 WHERE staff_id = $1`, id, s.Clock()); err != nil {
		return fmt.Errorf("disable second factor: %w", err)
	}
	return nil
}
