package main

import (
	"context"
	"io"

	"gxcoin.money/gx/api/client"
)

type relationshipCmd struct {
	List    listRelationshipsCmd `cmd:"" help:"List one's relationships, the last first, and what waits for an answer."`
	Show    showRelationshipCmd  `cmd:"" help:"Show a relationship."`
	Trust   trustCmd             `cmd:"" help:"Show one's trust score and what it is made of."`
	Request claimCmd             `cmd:"" help:"Say what somebody is to oneself; they have to agree."`
	Confirm confirmCmd           `cmd:"" help:"Agree to what somebody says of oneself."`
	Reject  disagreeCmd          `cmd:"" help:"Disagree with what somebody says of oneself."`
	End     endCmd               `cmd:"" help:"End a relationship."`
}

type listRelationshipsCmd struct {
	Status         string `placeholder:"STATUS" help:"Only those in it, such as PENDING or CONFIRMED."`
	pageSettings   `embed:""`
	remoteSettings `embed:""`
}

// Run prints one page of relationships.
func (c listRelationshipsCmd) Run(ctx context.Context, p *program) error {
	return view(p, viewSettings{remoteSettings: c.remoteSettings}, func(gx *client.Client) (client.RelationshipsResponse, error) {
		return gx.ListRelationships(ctx, client.ListRelationshipsParams{Status: client.ListRelationshipsParamsStatus(c.Status), Limit: c.Limit, Cursor: c.Cursor})
	}, func(w io.Writer, r client.RelationshipsResponse) {
		row(w, "WHO", "GX ID", "IS", "STATUS", "WAITS FOR ME", "RELATIONSHIP")
		for _, x := range r.Relationships {
			row(w, x.RelatedProfile.DisplayName, x.RelatedProfile.FabricUserID, string(x.RelationType), string(x.Status), yesNo(x.AwaitsYou), x.RelationshipID)
		}
		more(w, "--cursor", r.NextCursor)
	})
}

type showRelationshipCmd struct {
	ID             string `arg:"" help:"Its id."`
	remoteSettings `embed:""`
}

// Run prints a relationship.
func (c showRelationshipCmd) Run(ctx context.Context, p *program) error {
	return view(p, viewSettings{remoteSettings: c.remoteSettings}, func(gx *client.Client) (client.RelationshipResponse, error) {
		return gx.GetRelationship(ctx, c.ID)
	}, func(w io.Writer, r client.RelationshipResponse) {
		x := r.Relationship
		facts(w, "relationship", x.RelationshipID, "who", x.RelatedProfile.DisplayName, "GX id", x.RelatedProfile.FabricUserID, "is", string(x.RelationType),
			"status", string(x.Status), "because", x.Reason, "said by me", yesNo(x.RequestedByYou), "waits for me", yesNo(x.AwaitsYou),
			"since", x.CreatedAt, "confirmed", x.ConfirmedAt, "closed", x.ClosedAt)
	})
}

type trustCmd struct {
	remoteSettings `embed:""`
}

// Run prints the trust score.
func (c trustCmd) Run(ctx context.Context, p *program) error {
	return view(p, viewSettings{remoteSettings: c.remoteSettings}, func(gx *client.Client) (client.TrustScoreResponse, error) { return gx.GetTrustScore(ctx) },
		func(w io.Writer, r client.TrustScoreResponse) {
			facts(w, "trust score", r.TotalScore, "by family", r.FamilyScore, "by business", r.BusinessScore, "by friends", r.FriendsScore, "by loans", r.LoansScore,
				"as of", r.LastCalculatedAt)
		})
}

type claimCmd struct {
	To            string `arg:"" help:"GX id or profile id."`
	Is            string `arg:"" enum:"FATHER,MOTHER,SPOUSE,CHILD,SIBLING,BUSINESS_PARTNER,DIRECTOR,WORKPLACE_ASSOCIATE,FRIEND" help:"What they are: ${enum}."`
	orderSettings `embed:""`
}

// Run says what somebody is.
func (c claimCmd) Run(ctx context.Context, p *program) error {
	return c.order(ctx, p, false, func(gx *client.Client, o ...client.Option) (client.Receipt, error) {
		return gx.RequestRelationship(ctx, client.RelationshipClaimRequest{ToID: c.To, RelationType: client.RelationshipClaimRequestRelationType(c.Is)}, o...)
	})
}

// answerSettings say which relationship is answered, and why.
type answerSettings struct {
	ID            string `arg:"" help:"Its id."`
	Reason        string `placeholder:"TEXT" help:"For the other person."`
	orderSettings `embed:""`
}

type answerCall func(*client.Client, context.Context, string, *client.RelationshipDecisionRequest, ...client.Option) (client.Receipt, error)

func (c answerSettings) answer(ctx context.Context, p *program, call answerCall) error {
	return c.order(ctx, p, false, func(gx *client.Client, o ...client.Option) (client.Receipt, error) {
		return call(gx, ctx, c.ID, &client.RelationshipDecisionRequest{Reason: c.Reason}, o...)
	})
}

type confirmCmd struct {
	answerSettings `embed:""`
}

// Run agrees.
func (c confirmCmd) Run(ctx context.Context, p *program) error {
	return c.answer(ctx, p, (*client.Client).ConfirmRelationship)
}

type disagreeCmd struct {
	answerSettings `embed:""`
}

// Run disagrees.
func (c disagreeCmd) Run(ctx context.Context, p *program) error {
	return c.answer(ctx, p, (*client.Client).RejectRelationship)
}

type endCmd struct {
	answerSettings `embed:""`
}

// Run ends a relationship.
func (c endCmd) Run(ctx context.Context, p *program) error {
	return c.answer(ctx, p, (*client.Client).EndRelationship)
}
