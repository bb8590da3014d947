package admin

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"github.com/jackc/pgx/v5"

	"gxcoin.money/gx/internal/outbox"
	"gxcoin.money/gx/internal/platform/problem"
	"gxcoin.money/gx/internal/readmodel"
	"gxcoin.money/gx/internal/service/door"
	"gxcoin.money/gx/internal/service/people"
	"gxcoin.money/gx/protocol/command"
)

// bootstrap opens the ledger: pools and parameters, then the countries of this
// release with their genesis slots.
func (s admin) bootstrap(ctx context.Context, _ *struct{}) (*door.Accepted, error) {
	state, err := readmodel.SystemStatus(ctx, s.Pool)
	if err != nil {
		return nil, err
	}
	known, err := s.Known(ctx)
	if err != nil {
		return nil, err
	}
	if state.Bootstrapped && !known {
		return nil, problem.New(http.StatusConflict, "already_bootstrapped", "The system is open already.")
	}
	principal, route, key := door.Key(ctx)
	// One transaction, so that no crash opens a ledger without its countries. They
	// share a lane, so the opening is applied first.
	var stored outbox.Accepted
	var receipt door.Receipt
	err = pgx.BeginFunc(ctx, s.Pool, func(tx pgx.Tx) error {
		stored, receipt, err = s.Enqueue(ctx, tx, principal, route, key, door.Submission{
			Payload: &command.BootstrapSystem{}, Request: struct{}{}, Receipt: door.Receipt{Message: "The system is being opened."},
		})
		if err != nil {
			return err
		}
		_, _, err = s.Enqueue(ctx, tx, principal, route+" countries", key, door.Submission{
			Payload: command.AllCountries(), Request: struct{}{}, Receipt: door.Receipt{Message: "The countries are being fixed."},
		})
		return err
	})
	if err != nil {
		return nil, err
	}
	return s.Accept(ctx, stored, receipt)
}

type statusOutput struct {
	Body struct {
		Status SystemStatus `json:"status"`
	}
}

// SystemStatus says whether the system is open, in the old form and the new.
type SystemStatus struct {
	ParamKey     string     `json:"paramKey" example:"SYSTEM_STATUS"`
	ParamValue   string     `json:"paramValue" enum:"ACTIVE,PAUSED"`
	Bootstrapped bool       `json:"bootstrapped"`
	IsPaused     bool       `json:"isPaused"`
	PauseReason  string     `json:"pauseReason,omitzero"`
	LastUpdated  *door.Time `json:"lastUpdated,omitzero"`
	UpdatedAt    *door.Time `json:"updatedAt,omitzero"`
}

func (s admin) status(ctx context.Context, _ *struct{}) (*statusOutput, error) {
	st, err := readmodel.SystemStatus(ctx, s.Pool)
	if err != nil {
		return nil, err
	}
	var out statusOutput
	at := door.TimeOf(st.ChangedAt)
	out.Body.Status = SystemStatus{"SYSTEM_STATUS", "ACTIVE", st.Bootstrapped, st.Paused, st.Reason, at, at}
	if st.Paused {
		out.Body.Status.ParamValue = "PAUSED"
	}
	return &out, nil
}

type publicStatusOutput struct {
	Body struct {
		Open bool `json:"open" doc:"What changes the ledger is accepted: the system has begun and is not paused"`
	}
}

func (s admin) publicStatus(ctx context.Context, _ *struct{}) (*publicStatusOutput, error) {
	st, err := readmodel.SystemStatus(ctx, s.Pool)
	var out publicStatusOutput
	out.Body.Open = st.Bootstrapped && !st.Paused
	return &out, err
}

// NationalTreasury is a national treasury as staff see it.
type NationalTreasury struct {
	CountryCode string `json:"countryCode" example:"CH"`
	AccountID   string `json:"accountId"`
	Status      string `json:"status" example:"ACTIVE"`
	OrgID       string `json:"orgId,omitzero" doc:"The government organization that controls it"`
	Balance     string `json:"balance" doc:"Qirat"`
	BalanceGx   string `json:"balanceGx" doc:"The balance in GX, for people"`
}

type treasuriesOutput struct {
	Body struct {
		Data []NationalTreasury `json:"data" doc:"By country"`
	}
}

func (s admin) treasuries(ctx context.Context, _ *struct{}) (*treasuriesOutput, error) {
	all, err := readmodel.Treasuries(ctx, s.Pool)
	var out treasuriesOutput
	out.Body.Data = make([]NationalTreasury, len(all))
	for i, t := range all {
		out.Body.Data[i] = NationalTreasury{CountryCode: t.CountryCode, AccountID: t.AccountID, Status: t.Status, Balance: t.Balance.String(), BalanceGx: t.Balance.GX()}
		if t.OrgID != nil {
			out.Body.Data[i].OrgID = *t.OrgID
		}
	}
	return &out, err
}

// Parameter is a system parameter, in the old form and the new.
type Parameter struct {
	ParamID     string    `json:"paramId" example:"fee.p2p.local.low"`
	Value       string    `json:"value" example:"5"`
	ParamKey    string    `json:"paramKey"`
	ParamValue  string    `json:"paramValue"`
	LastUpdated door.Time `json:"lastUpdated"`
	UpdatedAt   door.Time `json:"updatedAt"`
}

type parametersOutput struct {
	Body struct {
		Parameters []Parameter `json:"parameters"`
	}
}

type parameterInput struct {
	ParamID string `path:"paramId" maxLength:"100"`
}

type parameterOutput struct {
	Body struct {
		Parameter Parameter `json:"parameter"`
	}
}

func (s admin) parameters(ctx context.Context, _ *struct{}) (*parametersOutput, error) {
	all, err := readmodel.Parameters(ctx, s.Pool)
	var out parametersOutput
	out.Body.Parameters = make([]Parameter, len(all))
	for i, p := range all {
		at := door.Time{Time: p.UpdatedAt}
		out.Body.Parameters[i] = Parameter{p.ParamID, p.Value, p.ParamID, p.Value, at, at}
	}
	return &out, err
}

func (s admin) parameter(ctx context.Context, in *parameterInput) (*parameterOutput, error) {
	all, err := s.parameters(ctx, nil)
	if err != nil {
		return nil, err
	}
	for _, p := range all.Body.Parameters {
		if p.ParamID == in.ParamID {
			var out parameterOutput
			out.Body.Parameter = p
			return &out, nil
		}
	}
	return nil, problem.New(http.StatusNotFound, "parameter_not_found", "There is no such parameter.")
}

// CountryStats is a country on the ledger.
type CountryStats struct {
	CountryCode string   `json:"countryCode"`
	CountryName string   `json:"countryName"`
	Region      string   `json:"region"`
	UserCount   uint64   `json:"userCount"`
	Slots       []uint64 `json:"slots" doc:"Genesis slots of the six phases"`
	Used        []uint64 `json:"used"`
}

type countriesOutput struct {
	Body struct {
		Countries []CountryStats `json:"countries"`
	}
}

type countryInput struct {
	CountryCode string `path:"countryCode" pattern:"^[A-Z]{2}$" patternDescription:"a two-letter country code in upper case"`
}

type countryOutput struct {
	Body struct {
		Stats CountryStats `json:"stats"`
	}
}

func stats(c readmodel.CountryState) CountryStats {
	known := people.Countries[c.CountryCode]
	out := CountryStats{CountryCode: c.CountryCode, CountryName: known.Name, Region: known.Region, Slots: c.Slots[:], Used: c.Used[:],
		UserCount: c.IneligibleUsers + c.ExhaustedUsers}
	for _, n := range c.Used {
		out.UserCount += n
	}
	return out
}

func (s admin) countries(ctx context.Context, _ *struct{}) (*countriesOutput, error) {
	all, err := readmodel.Countries(ctx, s.Pool)
	var out countriesOutput
	out.Body.Countries = make([]CountryStats, len(all))
	for i, c := range all {
		out.Body.Countries[i] = stats(c)
	}
	return &out, err
}

func (s admin) country(ctx context.Context, in *countryInput) (*countryOutput, error) {
	c, err := readmodel.Country(ctx, s.Pool, in.CountryCode)
	if errors.Is(err, readmodel.ErrNotFound) {
		return nil, problem.New(http.StatusNotFound, "country_not_found", "The ledger knows no such country.")
	}
	if err != nil {
		return nil, err
	}
	var out countryOutput
	out.Body.Stats = stats(c)
	return &out, nil
}

// Counters are totals of the whole system.
type Counters struct {
	TotalSupply        string `json:"totalSupply" doc:"Qirat"`
	Circulating        string `json:"circulating" doc:"Qirat outside the system pools"`
	TotalUsers         int64  `json:"totalUsers" doc:"People on the ledger"`
	TotalOrganizations int64  `json:"totalOrganizations"`
	AsOfBlock          string `json:"asOfBlock"`
}

type countersOutput struct {
	Body struct {
		Counters Counters `json:"counters"`
	}
}

func (s admin) counters(ctx context.Context, _ *struct{}) (*countersOutput, error) {
	var out countersOutput
	c := &out.Body.Counters
	if err := s.Pool.QueryRow(ctx, `SELECT count(*) FILTER (WHERE kind = 'INDIVIDUAL'), count(*) FILTER (WHERE kind IN ('BUSINESS', 'NGO', 'GOVERNMENT'))
		FROM read.accounts`).Scan(&c.TotalUsers, &c.TotalOrganizations); err != nil {
		return nil, fmt.Errorf("count accounts: %w", err)
	}
	supply, err := readmodel.Supply(ctx, s.Pool)
	if err != nil {
		return nil, err
	}
	c.TotalSupply, c.Circulating, c.AsOfBlock = supply.MaxSupply.String(), supply.Circulating.String(), strconv.FormatInt(supply.Block, 10)
	return &out, nil
}
