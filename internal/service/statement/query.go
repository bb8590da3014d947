package statement

import (
	"time"

	"gxcoin.money/gx/internal/platform/problem"
	"gxcoin.money/gx/internal/readmodel"
	"gxcoin.money/gx/internal/service/door"
	"gxcoin.money/gx/protocol/qirat"
)

// Query is the part of a statement that a request asks for.
type Query struct {
	door.Paging
	Type         readmodel.EntryType `query:"type" enum:"SENT,RECEIVED,FEE,FEE_COLLECTION,GENESIS,GOVT_GENESIS,POOL_DISBURSEMENT,GRANT,LOAN_DISBURSEMENT,LOAN_REPAYMENT,LOAN_COLLECTION,TAX,TAX_COLLECTION,ADJUSTMENT_DEBIT,ADJUSTMENT_CREDIT,REWARD"`
	Counterparty string              `query:"counterparty" maxLength:"64" doc:"Account id"`
	From         string              `query:"from" maxLength:"40" doc:"Lines of this time and later: RFC 3339, or a date, which begins at midnight UTC" example:"2026-01-01"`
	To           string              `query:"to" maxLength:"40" doc:"Lines before this time"`
	MinAmount    string              `query:"minAmount" pattern:"^(0|[1-9][0-9]{0,18})$" patternDescription:"decimal digits: a whole number of Qirat"`
	MaxAmount    string              `query:"maxAmount" pattern:"^(0|[1-9][0-9]{0,18})$" patternDescription:"decimal digits: a whole number of Qirat"`
}

func (q Query) filter() (readmodel.Filter, error) {
	w, err := q.Window()
	if err != nil {
		return readmodel.Filter{}, err
	}
	f := readmodel.Filter{Limit: w.Limit, Before: w.Before, Counterparty: q.Counterparty}
	if q.Type != "" {
		f.Types = []readmodel.EntryType{q.Type}
	}
	if f.From, err = moment("from", q.From); err != nil {
		return f, err
	}
	if f.To, err = moment("to", q.To); err != nil {
		return f, err
	}
	if f.Min, err = amount("minAmount", q.MinAmount); err != nil {
		return f, err
	}
	f.Max, err = amount("maxAmount", q.MaxAmount)
	return f, err
}

func moment(field, s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.DateOnly, time.RFC3339} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, nil
		}
	}
	return time.Time{}, problem.BadField(field, "must be a date or a time (RFC 3339)")
}

func amount(field, s string) (qirat.Amount, error) {
	if s == "" {
		return 0, nil
	}
	a, err := qirat.Parse(s)
	if err != nil {
		return 0, problem.BadField(field, "must be a whole number of Qirat up to the maximum supply")
	}
	return a, nil
}
