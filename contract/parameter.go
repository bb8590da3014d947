package contract

import (
	"errors"
	"fmt"
	"time"

	"gxcoin.money/gx/protocol/command"
	"gxcoin.money/gx/protocol/parameter"
	"gxcoin.money/gx/protocol/qirat"
)

// SystemParameter is the value of a parameter on the ledger.
type SystemParameter struct {
	ParamID   string    `json:"paramID"`
	Value     string    `json:"value"`
	UpdatedAt time.Time `json:"updatedAt"`
	UpdatedBy string    `json:"updatedBy"` // proposal, or hash of the caller
}

func init() {
	query(command.AdminContract, "GetSystemParameter", []string{"paramID"}, getSystemParameter)
}

func parameterKey(id string) string { return compositeKey("param", id) }

// lookup returns a parameter with its state on the ledger: the default when the
// ledger is older than the parameter.
func (t *tx) lookup(id string) (parameter.Parameter, *SystemParameter, error) {
	p, err := parameter.Lookup(id)
	if err != nil {
		return p, nil, refuse(CodeNotFound, "%s %v", id, err)
	}
	v, err := load[SystemParameter](t, parameterKey(id))
	if err == nil && v == nil {
		v = &SystemParameter{ParamID: id, Value: p.Format(p.Default)}
	}
	return p, v, err
}

// parameter returns the value in force: a number, basis points, Qirat, or 0 and
// 1 for false and true.
func (t *tx) parameter(id string) (uint64, error) {
	p, err := parameter.Lookup(id)
	if err != nil {
		return 0, refuse(CodeNotFound, "%s %v", id, err)
	}
	return recall(t, parameterKey(id), func(v *SystemParameter) (uint64, error) {
		if v == nil {
			return p.Default, nil
		}
		n, err := p.Parse(v.Value)
		if err != nil {
			return 0, fmt.Errorf("parameter %s is corrupt: %w", id, err)
		}
		return n, nil
	})
}

// amount returns a parameter that is an amount of money.
func (t *tx) amount(id string) (qirat.Amount, error) {
	n, err := t.parameter(id)
	return qirat.Amount(n), err
}

// days returns a parameter that counts days.
func (t *tx) days(id string) (time.Duration, error) {
	n, err := t.parameter(id)
	return time.Duration(n) * 24 * time.Hour, err
}

// setParameter changes a parameter, whoever has the right to, and returns the
// old value. by is the proposal or the hash of the caller.
func (t *tx) setParameter(id, value, by string) (old string, err error) {
	p, v, err := t.lookup(id)
	if err != nil {
		return "", err
	}
	if _, err := p.Parse(value); errors.Is(err, parameter.ErrValue) {
		return "", refuse(CodeInvalidArgument, "%v", err)
	} else if err != nil {
		return "", err
	}
	return v.Value, store(t, parameterKey(id), &SystemParameter{ParamID: id, Value: value, UpdatedAt: t.now, UpdatedBy: by})
}

// parameterView is a parameter with its value.
type parameterView struct {
	SystemParameter
	Type        parameter.Type `json:"type"`
	Min         string         `json:"min"`
	Max         string         `json:"max"`
	Governable  bool           `json:"governable"`
	Emergency   bool           `json:"emergency"`
	Description string         `json:"description"`
}

func getSystemParameter(t *tx, args []string) (*parameterView, error) {
	p, v, err := t.lookup(args[0])
	if err != nil {
		return nil, err
	}
	return &parameterView{*v, p.Type, p.Format(p.Min), p.Format(p.Max), p.Governable, p.Emergency, p.Description}, nil
}
