package admin

import (
	"context"
	"errors"
	"net/http"

	"gxcoin.money/gx/internal/platform/problem"
	"gxcoin.money/gx/internal/readmodel"
	"gxcoin.money/gx/internal/service/door"
	"gxcoin.money/gx/internal/service/people"
	"gxcoin.money/gx/protocol/command"
	"gxcoin.money/gx/protocol/parameter"
)

// conflict refuses a change to the state that is there already, unless this is
// the repetition of the request that made it.
func (s admin) conflict(ctx context.Context, there bool, code, detail string) error {
	if !there {
		return nil
	}
	return s.Refuse(ctx, problem.New(http.StatusConflict, code, detail))
}

type pauseInput struct {
	Body struct {
		Reason     string `json:"reason" minLength:"10" maxLength:"500" doc:"Why, for the record"`
		BreakGlass bool   `json:"breakGlass,omitzero" doc:"An owner's right: pause at once and have it reviewed afterwards"`
	}
}

func (s admin) pause(ctx context.Context, in *pauseInput) (*door.Accepted, error) {
	state, err := readmodel.SystemStatus(ctx, s.Pool)
	if err == nil {
		err = s.conflict(ctx, state.Paused, "already_paused", "The system is paused already.")
	}
	if err != nil {
		return nil, err
	}
	return s.Submit(ctx, door.Submission{
		Payload: &command.PauseSystem{Reason: in.Body.Reason}, Request: in.Body, BreakGlass: in.Body.BreakGlass,
		Receipt: door.Receipt{Message: "The system is being paused."},
	})
}

func (s admin) resume(ctx context.Context, _ *struct{}) (*door.Accepted, error) {
	state, err := readmodel.SystemStatus(ctx, s.Pool)
	if err == nil {
		err = s.conflict(ctx, !state.Paused, "not_paused", "The system is not paused.")
	}
	if err != nil {
		return nil, err
	}
	return s.Submit(ctx, door.Submission{
		Payload: &command.ResumeSystem{}, Request: struct{}{}, Receipt: door.Receipt{Message: "The system is being resumed."},
	})
}

type setParameterInput struct {
	Body struct {
		ParamID  string `json:"paramId" maxLength:"100" example:"poolDisburseMax"`
		NewValue string `json:"newValue" maxLength:"100"`
		Reason   string `json:"reason" minLength:"10" maxLength:"500" doc:"Why, for the record"`
	}
}

// setParameter changes one of the parameters that are not for voters.
func (s admin) setParameter(ctx context.Context, in *setParameterInput) (*door.Accepted, error) {
	b := &in.Body
	p, err := parameter.Lookup(b.ParamID)
	if err != nil {
		return nil, problem.Unprocessable("paramId", "parameter_unknown", "is not a system parameter")
	}
	if !p.Emergency {
		return nil, problem.Unprocessable("paramId", "parameter_not_settable", "is changed by a vote or never")
	}
	if _, err := p.Parse(b.NewValue); err != nil {
		return nil, problem.Unprocessable("newValue", "new_value_invalid", err.Error())
	}
	return s.Submit(ctx, door.Submission{
		Payload: &command.EmergencySetParameter{ParamID: b.ParamID, NewValue: b.NewValue, Reason: b.Reason}, Request: in.Body,
		Receipt: door.Receipt{Message: "The parameter is being set.", AggregateID: b.ParamID},
	})
}

type treasuryInput struct {
	Body struct {
		CountryCode string `json:"countryCode" pattern:"^[A-Z]{2}$" patternDescription:"a two-letter country code in upper case"`
		OrgID       string `json:"orgId" maxLength:"64" doc:"The government organization that controls it from then on"`
	}
}

func (s admin) activateTreasury(ctx context.Context, in *treasuryInput) (*door.Accepted, error) {
	t, err := readmodel.Treasury(ctx, s.Pool, in.Body.CountryCode)
	if errors.Is(err, readmodel.ErrNotFound) {
		if _, known := people.Countries[in.Body.CountryCode]; !known {
			return nil, problem.New(http.StatusNotFound, "country_not_found", "There is no such country.")
		}
		err = nil
	}
	if err == nil {
		err = s.conflict(ctx, t.Status == readmodel.TreasuryActive, "treasury_active", "The treasury is active already.")
	}
	if err != nil {
		return nil, err
	}
	return s.Submit(ctx, door.Submission{
		Payload: &command.ActivateTreasury{CountryCode: in.Body.CountryCode, OrgID: in.Body.OrgID}, Request: in.Body,
		Receipt: door.Receipt{Message: "The treasury is being activated.", AggregateID: in.Body.CountryCode},
	})
}

type initializeInput struct {
	Body struct {
		CountriesData []countryWeight `json:"countriesData" minItems:"1" maxItems:"300"`
	}
}

type countryWeight struct {
	Code     string `json:"code" example:"CH"`
	WeightE8 uint64 `json:"weightE8" doc:"Share of the genesis slots times 100,000,000"`
}

func (s admin) initializeCountries(ctx context.Context, in *initializeInput) (*door.Accepted, error) {
	there, err := readmodel.Countries(ctx, s.Pool)
	if err == nil {
		err = s.conflict(ctx, len(there) > 0, "already_initialized", "The countries are fixed already.")
	}
	if err != nil {
		return nil, err
	}
	p := &command.InitializeCountryData{}
	for _, c := range in.Body.CountriesData {
		p.Countries = append(p.Countries, command.CountryWeight{CountryCode: c.Code, WeightE8: c.WeightE8})
	}
	return s.Submit(ctx, door.Submission{Payload: p, Request: in.Body, Receipt: door.Receipt{Message: "The countries are being fixed."}})
}
