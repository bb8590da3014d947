package main

import (
	"context"
	"io"

	"gxcoin.money/gx/api/client"
)

type systemCmd struct {
	Status     systemStatusCmd     `cmd:"" help:"Show whether the system is open, and how much is in it."`
	Countries  systemCountriesCmd  `cmd:"" help:"List the countries on the ledger, and what is left of their coins of the beginning."`
	Parameters systemParametersCmd `cmd:"" help:"List the parameters in force."`
	Set        setParameterCmd     `cmd:"" help:"Set a parameter that is not for voters."`
	Pause      pauseCmd            `cmd:"" help:"Stop everything that changes the ledger."`
	Resume     resumeCmd           `cmd:"" help:"End a pause."`
	Pool       poolCmd             `cmd:"" help:"Show the statement of a pool."`
	Disburse   disburseCmd         `cmd:"" help:"Pay from a pool, without a fee."`
	Move       moveCmd             `cmd:"" help:"Move money to or from a system account or a treasury, without a fee."`
	Genesis    repairCmd           `cmd:"" help:"Give a person the coins of the beginning that they lack."`
	Treasuries treasuriesCmd       `cmd:"" help:"List the national treasuries."`
	Treasury   handOverCmd         `cmd:"" help:"Hand a national treasury to its government."`
}

type systemStatusCmd struct {
	remoteSettings `embed:""`
}

// systemState is what staff may know at a glance.
type systemState struct {
	client.SystemStatus
	client.Counters
}

// Run prints the state of the system.
func (c systemStatusCmd) Run(ctx context.Context, p *program) error {
	return view(p, viewSettings{true, c.remoteSettings}, func(gx *client.Client) (systemState, error) {
		status, err := gx.GetSystemStatus(ctx)
		if err != nil {
			return systemState{}, err
		}
		counters, err := gx.GetCounters(ctx)
		return systemState{status.Status, counters.Counters}, err
	}, func(w io.Writer, s systemState) {
		facts(w, "open", yesNo(s.Bootstrapped), "paused", yesNo(s.IsPaused), "because", s.PauseReason, "people", s.TotalUsers, "organizations", s.TotalOrganizations,
			"in circulation", gxOf(s.Circulating), "as of block", s.AsOfBlock)
	})
}

type systemCountriesCmd struct {
	remoteSettings `embed:""`
}

// Run prints the countries.
func (c systemCountriesCmd) Run(ctx context.Context, p *program) error {
	return view(p, viewSettings{true, c.remoteSettings}, func(gx *client.Client) (client.AdminCountriesResponse, error) { return gx.ListCountryStats(ctx) },
		func(w io.Writer, r client.AdminCountriesResponse) {
			row(w, "CODE", "COUNTRY", "REGION", "PEOPLE", "PLACES", "TAKEN")
			for _, x := range r.Countries {
				row(w, x.CountryCode, x.CountryName, x.Region, x.UserCount, total(x.Slots), total(x.Used))
			}
		})
}

func total(numbers []int64) (sum int64) {
	for _, n := range numbers {
		sum += n
	}
	return sum
}

type systemParametersCmd struct {
	remoteSettings `embed:""`
}

// Run prints the parameters.
func (c systemParametersCmd) Run(ctx context.Context, p *program) error {
	return view(p, viewSettings{true, c.remoteSettings}, func(gx *client.Client) (client.AdminParametersResponse, error) { return gx.ListParameters(ctx) },
		func(w io.Writer, r client.AdminParametersResponse) {
			row(w, "PARAMETER", "VALUE", "SINCE")
			for _, x := range r.Parameters {
				row(w, x.ParamID, x.Value, x.UpdatedAt)
			}
		})
}

type setParameterCmd struct {
	Parameter     string `arg:"" help:"Which one: gx system parameters."`
	Value         string `arg:"" help:"Its new value."`
	Reason        string `required:"" placeholder:"TEXT" help:"Why, for the record."`
	orderSettings `embed:""`
}

// Run asks for another value.
func (c setParameterCmd) Run(ctx context.Context, p *program) error {
	return c.order(ctx, p, true, func(gx *client.Client, o ...client.Option) (client.Receipt, error) {
		return gx.SetParameter(ctx, client.SetParameterRequest{ParamID: c.Parameter, NewValue: c.Value, Reason: c.Reason}, o...)
	})
}

type pauseCmd struct {
	Reason        string `required:"" placeholder:"TEXT" help:"Why, for the record."`
	BreakGlass    bool   `help:"An owner's right: pause at once, and have it reviewed afterwards."`
	orderSettings `embed:""`
}

// Run asks for a pause.
func (c pauseCmd) Run(ctx context.Context, p *program) error {
	return c.order(ctx, p, true, func(gx *client.Client, o ...client.Option) (client.Receipt, error) {
		return gx.PauseSystem(ctx, client.PauseRequest{Reason: c.Reason, BreakGlass: c.BreakGlass}, o...)
	})
}

type resumeCmd struct {
	orderSettings `embed:""`
}

// Run asks for the end of a pause.
func (c resumeCmd) Run(ctx context.Context, p *program) error {
	return c.order(ctx, p, true, func(gx *client.Client, o ...client.Option) (client.Receipt, error) { return gx.ResumeSystem(ctx, o...) })
}

type poolCmd struct {
	Pool           string `arg:"" help:"Which one: gx wallet supply lists them."`
	pageSettings   `embed:""`
	remoteSettings `embed:""`
}

// Run prints one page of a pool's statement.
func (c poolCmd) Run(ctx context.Context, p *program) error {
	return view(p, viewSettings{true, c.remoteSettings}, func(gx *client.Client) (client.Statement, error) {
		return gx.ListPoolTransactions(ctx, c.Pool, client.ListPoolTransactionsParams{Limit: c.Limit, Cursor: c.Cursor})
	}, func(w io.Writer, r client.Statement) { statement(w, r.Transactions, r.NextCursor) })
}

type disburseCmd struct {
	Pool          string `arg:"" help:"Which pool pays."`
	To            string `arg:"" help:"Account or profile id: of a person, an organization or a treasury."`
	Amount        amount `arg:"" help:"How much, with its unit: 100GX."`
	Reason        string `required:"" placeholder:"TEXT" help:"Why; part of both statements."`
	orderSettings `embed:""`
}

// Run asks for a payment by a pool.
func (c disburseCmd) Run(ctx context.Context, p *program) error {
	return c.order(ctx, p, true, func(gx *client.Client, o ...client.Option) (client.Receipt, error) {
		return gx.DisburseFromPool(ctx, c.Pool, client.DisbursementRequest{RecipientID: c.To, Amount: c.Amount.String(), Reason: c.Reason}, o...)
	})
}

type moveCmd struct {
	From          string `arg:"" help:"Account that pays."`
	To            string `arg:"" help:"Account that receives."`
	Amount        amount `arg:"" help:"How much, with its unit: 100GX."`
	Type          string `enum:"SYSTEM_ADJUSTMENT,FEE_COLLECTION,FEE_REDISTRIBUTION" default:"SYSTEM_ADJUSTMENT" help:"What it is: ${enum}; ${default} by default."`
	Remark        string `required:"" placeholder:"TEXT" help:"Why; part of both statements."`
	orderSettings `embed:""`
}

// Run asks for a transfer within the system.
func (c moveCmd) Run(ctx context.Context, p *program) error {
	return c.order(ctx, p, true, func(gx *client.Client, o ...client.Option) (client.Receipt, error) {
		return gx.TransferInternal(ctx, client.InternalTransferRequest{
			FromID: c.From, ToID: c.To, Amount: c.Amount.String(), Type: client.InternalTransferRequestType(c.Type), Remark: c.Remark,
		}, o...)
	})
}

type repairCmd struct {
	ID            string `arg:"" help:"GX id or profile id of the person."`
	orderSettings `embed:""`
}

// Run asks for the coins of a person.
func (c repairCmd) Run(ctx context.Context, p *program) error {
	return c.order(ctx, p, true, func(gx *client.Client, o ...client.Option) (client.Receipt, error) {
		return gx.RepairGenesis(ctx, client.GenesisRepairRequest{UserID: c.ID}, o...)
	})
}

type treasuriesCmd struct {
	remoteSettings `embed:""`
}

// Run prints the treasuries.
func (c treasuriesCmd) Run(ctx context.Context, p *program) error {
	return view(p, viewSettings{true, c.remoteSettings}, func(gx *client.Client) (client.TreasuriesResponse, error) { return gx.ListTreasuries(ctx) },
		func(w io.Writer, r client.TreasuriesResponse) {
			row(w, "COUNTRY", "ACCOUNT", "BALANCE", "STATUS", "CONTROLLED BY")
			for _, t := range r.Data {
				row(w, t.CountryCode, t.AccountID, gxOf(t.Balance), t.Status, t.OrgID)
			}
		})
}

type handOverCmd struct {
	Country       string `arg:"" help:"Two letters, as in CH."`
	Organization  string `arg:"" help:"Government organization that controls it from then on."`
	orderSettings `embed:""`
}

// Run asks for a treasury to be handed over.
func (c handOverCmd) Run(ctx context.Context, p *program) error {
	return c.order(ctx, p, true, func(gx *client.Client, o ...client.Option) (client.Receipt, error) {
		return gx.ActivateTreasury(ctx, client.TreasuryRequest{CountryCode: c.Country, OrgID: c.Organization}, o...)
	})
}
