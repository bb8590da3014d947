package admin

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"gxcoin.money/gx/internal/audit"
	"gxcoin.money/gx/internal/platform/problem"
	"gxcoin.money/gx/internal/service/door"
)

// Approval is what somebody asked for and others decide on (api.md C.8).
type Approval struct {
	ID              string           `json:"id" format:"uuid"`
	RequestType     string           `json:"requestType" enum:"DEPLOYMENT_PROMOTION,USER_FREEZE,TREASURY_OPERATION,SYSTEM_PAUSE,CONFIG_CHANGE,ADMIN_ROLE_CHANGE"`
	Action          string           `json:"action" doc:"The operation" example:"PAUSE_SYSTEM"`
	Permission      string           `json:"permission" example:"system:pause"`
	RiskLevel       string           `json:"riskLevel" enum:"LOW,MEDIUM,HIGH,CRITICAL"`
	TargetResource  string           `json:"targetResource,omitzero"`
	Payload         any              `json:"payload" doc:"What is done, exactly"`
	PayloadDigest   string           `json:"payloadDigest" doc:"SHA-256 of it, to be repeated in the vote"`
	Reason          string           `json:"reason"`
	Status          string           `json:"status" enum:"PENDING,APPROVED,REJECTED,CANCELLED,EXPIRED"`
	BreakGlass      bool             `json:"breakGlass" doc:"It was done at once and is to be reviewed"`
	Requester       Member           `json:"requester"`
	Approver        *Member          `json:"approver,omitzero" doc:"Who decided"`
	Quorum          int              `json:"quorum" doc:"How many have to approve"`
	Approvals       int              `json:"approvals" doc:"How many did"`
	CreatedAt       door.Time        `json:"createdAt"`
	ExpiresAt       door.Time        `json:"expiresAt"`
	ApprovedAt      *door.Time       `json:"approvedAt,omitzero"`
	RejectedAt      *door.Time       `json:"rejectedAt,omitzero"`
	RejectionReason string           `json:"rejectionReason,omitzero"`
	ExecutionState  string           `json:"executionState" enum:"NONE,EXECUTED,FAILED"`
	ExecutedAt      *door.Time       `json:"executedAt,omitzero"`
	ExecutionResult *ExecutionResult `json:"executionResult,omitzero"`
}

// ExecutionResult is what became of an approved request.
type ExecutionResult struct {
	CommandID string `json:"commandId,omitzero" format:"uuid"`
	Error     string `json:"error,omitzero"`
}

type approvalRow struct {
	ID             uuid.UUID `db:"approval_id"`
	Mode           string
	Operation      string
	Permission     string
	Risk           string
	Resource       string
	Payload        []byte
	Digest         []byte
	Reason         string
	Quorum         int
	Status         string
	CreatedAt      time.Time
	ExpiresAt      time.Time
	DecidedAt      *time.Time
	ExecutedAt     *time.Time
	CommandID      *uuid.UUID
	ExecutionError string
	Approvals      int

	Requester     uuid.UUID
	RequesterName string
	RequesterShow string
	RequesterRole door.Role

	Decider     *uuid.UUID
	DeciderName *string
	DeciderShow *string
	DeciderRole *door.Role
	VoteReason  *string
}

// approvalSelect shows what is overdue as expired, before the sweeper has come. $1 is now.
const approvalSelect = `SELECT a.approval_id, a.mode, a.operation, a.permission, a.risk, a.resource, a.payload, a.digest, a.reason, a.quorum,
		` + approvalStatus + ` AS status, a.created_at, a.expires_at, a.decided_at, a.executed_at, a.command_id, a.execution_error,
		(SELECT count(*) FROM app.approval_votes v WHERE v.approval_id = a.approval_id AND v.decision = 'APPROVE') AS approvals,
		a.requester, r.username AS requester_name, r.display_name AS requester_show, r.role AS requester_role,
		v.voter AS decider, m.username AS decider_name, m.display_name AS decider_show, m.role AS decider_role, v.reason AS vote_reason` + approvalFrom

const approvalStatus = `CASE WHEN a.status = 'PENDING' AND a.mode <> 'BREAK_GLASS' AND a.expires_at <= $1 THEN 'EXPIRED' ELSE a.status END`

const approvalFrom = ` FROM app.approvals a JOIN app.staff r ON r.staff_id = a.requester
	LEFT JOIN LATERAL (SELECT * FROM app.approval_votes v WHERE v.approval_id = a.approval_id AND a.status IN ('APPROVED', 'REJECTED') ORDER BY v.at DESC LIMIT 1) v ON true
	LEFT JOIN app.staff m ON m.staff_id = v.voter`

func (r approvalRow) view() Approval {
	out := Approval{
		ID: r.ID.String(), RequestType: requestType(r.Permission), Action: r.Operation, Permission: r.Permission, RiskLevel: r.Risk,
		TargetResource: r.Resource, Payload: jsontext.Value(r.Payload), PayloadDigest: hex.EncodeToString(r.Digest), Reason: r.Reason,
		Status: r.Status, BreakGlass: r.Mode == "BREAK_GLASS", Quorum: r.Quorum, Approvals: r.Approvals,
		Requester: Member{ID: r.Requester.String(), Username: r.RequesterName, DisplayName: r.RequesterShow, Role: r.RequesterRole},
		CreatedAt: door.Time{Time: r.CreatedAt}, ExpiresAt: door.Time{Time: r.ExpiresAt}, ExecutionState: "NONE", ExecutedAt: door.TimeOf(r.ExecutedAt),
	}
	if r.Decider != nil {
		out.Approver = &Member{ID: r.Decider.String(), Username: *r.DeciderName, DisplayName: *r.DeciderShow, Role: *r.DeciderRole}
	}
	switch r.Status {
	case "APPROVED":
		out.ApprovedAt = door.TimeOf(r.DecidedAt)
	case "REJECTED":
		out.RejectedAt, out.RejectionReason = door.TimeOf(r.DecidedAt), *r.VoteReason
	}
	switch {
	case r.ExecutedAt != nil:
		out.ExecutionState, out.ExecutionResult = "EXECUTED", &ExecutionResult{}
		if r.CommandID != nil {
			out.ExecutionResult.CommandID = r.CommandID.String()
		}
	case r.ExecutionError != "":
		out.ExecutionState, out.ExecutionResult = "FAILED", &ExecutionResult{Error: r.ExecutionError}
	}
	return out
}

// requestType is the kind of request in which older clients sort it.
func requestType(permission string) string {
	switch prefix, _, _ := strings.Cut(permission, ":"); prefix {
	case "system":
		return "SYSTEM_PAUSE"
	case "user", "wallet":
		return "USER_FREEZE"
	case "admin":
		return "ADMIN_ROLE_CHANGE"
	case "config", "country":
		return "CONFIG_CHANGE"
	case "deployment":
		return "DEPLOYMENT_PROMOTION"
	}
	return "TREASURY_OPERATION"
}

// visible limits what a member of staff sees of the approvals: their own requests
// and what they may decide on; owners see everything.
func visible(who door.Principal) (all bool, permissions []string) {
	for _, p := range door.Permissions() {
		if who.Role.May(door.ApprovalApprove) && who.Role.Covers(p) {
			permissions = append(permissions, p.String())
		}
	}
	return who.Role == door.SuperOwner, permissions
}

const approvalVisible = ` AND ($2 OR a.requester = $3 OR a.permission = ANY ($4))`

type askInput struct {
	Body struct {
		RequestType    string `json:"requestType,omitzero" enum:"DEPLOYMENT_PROMOTION,USER_FREEZE,TREASURY_OPERATION,SYSTEM_PAUSE,CONFIG_CHANGE,ADMIN_ROLE_CHANGE" doc:"Follows from the action"`
		Action         string `json:"action" minLength:"1" maxLength:"200" doc:"The operation" example:"PAUSE_SYSTEM"`
		TargetResource string `json:"targetResource,omitzero" maxLength:"200"`
		Payload        object `json:"payload,omitzero" doc:"What is to be done: the payload of the operation"`
		Reason         string `json:"reason" minLength:"10" maxLength:"1000"`
	}
}

// object is a JSON object as it was sent.
type object jsontext.Value

// Schema implements huma.SchemaProvider.
func (object) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeObject, AdditionalProperties: true}
}

// MarshalJSON implements json.Marshaler.
func (o object) MarshalJSON() ([]byte, error) { return o, nil }

// UnmarshalJSON implements json.Unmarshaler.
func (o *object) UnmarshalJSON(b []byte) error {
	*o = bytes.Clone(b)
	return nil
}

// ask asks for any operation that the caller may have done with a second person.
func (s admin) ask(ctx context.Context, in *askInput) (*door.Accepted, error) {
	b := &in.Body
	op, ok := s.Operation(b.Action)
	if !ok || op.Internal {
		return nil, problem.Unprocessable("action", "action_unknown", "is not an operation that can be asked for")
	}
	who := door.Caller(ctx)
	for _, p := range op.Permissions {
		if who.Role.Covers(p) {
			payload := b.Payload
			if payload == nil {
				payload = object("{}")
			}
			return s.Ask(ctx, door.Act{Operation: b.Action, Permission: p, Payload: payload, Resource: b.TargetResource, Request: in.Body, Reason: b.Reason})
		}
	}
	return nil, problem.New(http.StatusForbidden, "forbidden", "Your role may not ask for this.")
}

type approvalsInput struct {
	Status      string    `query:"status" enum:"PENDING,APPROVED,REJECTED,CANCELLED,EXPIRED"`
	RequestType string    `query:"requestType" enum:"DEPLOYMENT_PROMOTION,USER_FREEZE,TREASURY_OPERATION,SYSTEM_PAUSE,CONFIG_CHANGE,ADMIN_ROLE_CHANGE"`
	RequesterID uuid.UUID `query:"requesterId" format:"uuid"`
	Page        int       `query:"page" minimum:"1" maximum:"10000" default:"1"`
	Limit       int       `query:"limit" minimum:"1" maximum:"100" default:"20"`
}

type approvalsOutput struct {
	Body struct {
		Approvals  []Approval `json:"approvals"`
		Pagination Pagination `json:"pagination"`
	}
}

// Pagination says where a page is in its list.
type Pagination struct {
	Page       int `json:"page"`
	Limit      int `json:"limit"`
	Total      int `json:"total"`
	TotalPages int `json:"totalPages"`
}

func (s admin) approvals(ctx context.Context, in *approvalsInput) (*approvalsOutput, error) {
	who := door.Caller(ctx)
	all, permissions := visible(who)
	var kinds []string // permissions of the asked type
	for _, p := range door.Permissions() {
		if in.RequestType == "" || requestType(p.String()) == in.RequestType {
			kinds = append(kinds, p.String())
		}
	}
	where := ` WHERE ($5 = '' OR ` + approvalStatus + ` = $5) AND a.permission = ANY ($6) AND ($7 = '00000000-0000-0000-0000-000000000000'::uuid OR a.requester = $7)` + approvalVisible
	args := []any{s.Clock(), all, who.ID, permissions, in.Status, kinds, in.RequesterID}
	var out approvalsOutput
	p := &out.Body.Pagination
	if err := s.Pool.QueryRow(ctx, `SELECT count(*) FROM app.approvals a`+where, args...).Scan(&p.Total); err != nil {
		return nil, fmt.Errorf("count approvals: %w", err)
	}
	rows, err := s.Pool.Query(ctx, approvalSelect+where+` ORDER BY a.created_at DESC, a.approval_id DESC LIMIT $8 OFFSET $9`,
		append(args, in.Limit, (in.Page-1)*in.Limit)...)
	if err != nil {
		return nil, fmt.Errorf("list approvals: %w", err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[approvalRow])
	if err != nil {
		return nil, fmt.Errorf("list approvals: %w", err)
	}
	out.Body.Approvals = make([]Approval, len(list))
	for i, r := range list {
		out.Body.Approvals[i] = r.view()
	}
	p.Page, p.Limit, p.TotalPages = in.Page, in.Limit, (p.Total+in.Limit-1)/in.Limit
	return &out, nil
}

type pendingOutput struct {
	Body struct {
		PendingCount int `json:"pendingCount"`
	}
}

func (s admin) pendingApprovals(ctx context.Context, _ *struct{}) (*pendingOutput, error) {
	who := door.Caller(ctx)
	all, permissions := visible(who)
	var out pendingOutput
	if err := s.Pool.QueryRow(ctx, `SELECT count(*) FROM app.approvals a WHERE `+approvalStatus+` = 'PENDING'`+approvalVisible,
		s.Clock(), all, who.ID, permissions).Scan(&out.Body.PendingCount); err != nil {
		return nil, fmt.Errorf("count approvals: %w", err)
	}
	return &out, nil
}

type approvalInput struct {
	ApprovalID uuid.UUID `path:"approvalId" format:"uuid"`
}

type approvalOutput struct{ Body Approval }

func (s admin) approval(ctx context.Context, in *approvalInput) (*approvalOutput, error) {
	who := door.Caller(ctx)
	all, permissions := visible(who)
	rows, err := s.Pool.Query(ctx, approvalSelect+` WHERE a.approval_id = $5`+approvalVisible, s.Clock(), all, who.ID, permissions, in.ApprovalID)
	if err != nil {
		return nil, fmt.Errorf("read approval: %w", err)
	}
	r, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[approvalRow])
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, problem.New(http.StatusNotFound, "APPROVAL_NOT_FOUND", "There is no such approval.")
	}
	if err != nil {
		return nil, fmt.Errorf("read approval: %w", err)
	}
	return &approvalOutput{r.view()}, nil
}

type voteInput struct {
	ApprovalID uuid.UUID `path:"approvalId" format:"uuid"`
	Body       struct {
		Decision      string `json:"decision" enum:"APPROVE,REJECT"`
		Reason        string `json:"reason,omitzero" maxLength:"1000" doc:"Needed to reject"`
		PayloadDigest string `json:"payloadDigest,omitzero" pattern:"^[0-9a-f]{64}$" doc:"Of what you saw: another request is not approved by mistake"`
	}
}

type decisionOutput struct {
	Body struct {
		Success  bool     `json:"success"`
		Message  string   `json:"message"`
		Approval Approval `json:"approval"`
	}
}

func (s admin) vote(ctx context.Context, in *voteInput) (*decisionOutput, error) {
	approve := in.Body.Decision == "APPROVE"
	reason := strings.TrimSpace(in.Body.Reason)
	if !approve && len(reason) < 10 {
		return nil, problem.Unprocessable("reason", "reason_too_short", "must have at least 10 characters")
	}
	return s.decided(ctx, in.ApprovalID, s.Decide(ctx, in.ApprovalID, door.Vote{Approve: approve, Reason: reason, Digest: in.Body.PayloadDigest}))
}

func (s admin) cancelApproval(ctx context.Context, in *approvalInput) (*decisionOutput, error) {
	return s.decided(ctx, in.ApprovalID, s.CancelRequest(ctx, in.ApprovalID))
}

func (s admin) executeApproval(ctx context.Context, in *approvalInput) (*decisionOutput, error) {
	return s.decided(ctx, in.ApprovalID, s.Retry(ctx, in.ApprovalID))
}

// decided answers with the approval as it is after a decision.
func (s admin) decided(ctx context.Context, id uuid.UUID, err error) (*decisionOutput, error) {
	if err != nil {
		return nil, err
	}
	a, err := s.approval(ctx, &approvalInput{id})
	if err != nil {
		return nil, err
	}
	var out decisionOutput
	out.Body.Success, out.Body.Approval = a.Body.ExecutionState != "FAILED", a.Body
	out.Body.Message = map[string]string{
		"PENDING": "Your vote is counted; others have to approve too.", "APPROVED": "Approved.", "REJECTED": "Rejected.", "CANCELLED": "Cancelled.",
	}[a.Body.Status]
	switch a.Body.ExecutionState {
	case "EXECUTED":
		out.Body.Message += " It is done."
	case "FAILED":
		out.Body.Message += " It could not be done: " + a.Body.ExecutionResult.Error
	}
	return &out, nil
}

type historyOutput struct {
	Body struct {
		Data []AuditEntry `json:"data" doc:"Every step, the oldest first"`
	}
}

func (s admin) approvalHistory(ctx context.Context, in *approvalInput) (*historyOutput, error) {
	if _, err := s.approval(ctx, in); err != nil {
		return nil, err
	}
	entries, err := audit.OfApproval(ctx, s.Pool, in.ApprovalID)
	if err != nil {
		return nil, err
	}
	var out historyOutput
	out.Body.Data = auditEntries(entries)
	return &out, nil
}
