package contract_test

import (
	"testing"

	"gxcoin.money/gx/contract"
	"gxcoin.money/gx/contract/contracttest"
	"gxcoin.money/gx/protocol/account"
	"gxcoin.money/gx/protocol/event"
	"gxcoin.money/gx/protocol/qirat"
)

const gx = qirat.PerGX

func TestTransfer(t *testing.T) {
	l := contracttest.Open(t, "DE", "LK")
	de, lk := l.Join(t, "DE", 2), l.Join(t, "LK", 1)
	l.CheckSupply(t)
	events := l.Apply(t, contracttest.Pay(de[0], de[1], 50*gx), contracttest.Pay(de[1], lk[0], 5*gx))
	first := events[0].(*event.TransferCompleted)
	if first.Fee != 25_000 || first.FeeBps != 5 || first.FeeRecipient != account.OperationsFund {
		t.Errorf("fee of 50 GX: %+v", first)
	}
	if got := l.Balance(t, de[0]); got != 450*gx-25_000 || *first.FromBalanceAfter != got {
		t.Errorf("sender has %s, event says %s", got, first.FromBalanceAfter)
	}
	if got := l.Balance(t, lk[0]); got != 505*gx {
		t.Errorf("receiver abroad has %s", got)
	}
	if got := l.Balance(t, account.OperationsFund); got != 18_750_000_000*gx+25_000+7_500 {
		t.Errorf("operations fund has %s", got)
	}
	l.CheckSupply(t)
	l.Refuse(t, contract.CodeInsufficientFunds, "insufficient funds", contracttest.Pay(de[0], de[1], 450*gx))
	l.CheckSupply(t)
}
