package fabric

import (
	"context"
	"log/slog"
	"time"

	"github.com/hyperledger/fabric-gateway/pkg/client"
	"github.com/hyperledger/fabric-protos-go-apiv2/gateway"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"gxcoin.money/gx/internal/fabric/connection"
	"gxcoin.money/gx/internal/ledger"
)

// disagreements is how often a proposal is made anew while organizations answer
// differently: one of them may be a block behind.
const disagreements = 6

// Endorse implements ledger.Ledger. Every endorsing organization must have
// given the same answer.
func (l *Ledger) Endorse(ctx context.Context, p ledger.Proposal) (ledger.Transaction, error) {
	by, err := l.identities.of(p.Identity)
	if err != nil {
		return ledger.Transaction{}, unavailable(p.Function, err)
	}
	if err := l.endorsing.Acquire(ctx, 1); err != nil {
		return ledger.Transaction{}, unavailable(p.Function, err)
	}
	defer l.endorsing.Release(1)
	defer l.metrics.took("endorse", time.Now())
	ctx, cancel := context.WithTimeout(ctx, l.o.EndorseTimeout)
	defer cancel()

	for attempt := 1; ; attempt++ {
		level := l.heights.level()
		var tx ledger.Transaction
		err := l.patiently(ctx, func() (err error) {
			tx, err = l.endorse(ctx, by, p)
			return err
		})
		if err == nil {
			return tx, nil
		}
		f := diagnose(err, l.config.Endorsers)
		switch {
		case f.refusal != nil:
			return ledger.Transaction{}, f.refusal
		case !f.disagreement:
			l.metrics.failures.WithLabelValues("unavailable").Inc()
			l.warn("endorse", err)
			return ledger.Transaction{}, unavailable(p.Function, f)
		}
		l.metrics.failures.WithLabelValues("disagreement").Inc()
		if attempt == disagreements {
			l.o.Log.ErrorContext(ctx, "organizations keep answering a proposal differently: is the chaincode of all the same, and deterministic?",
				slog.String("function", p.Function), slog.Bool("sameHeight", level && l.heights.level()), slog.Any("peers", said(err)))
			return ledger.Transaction{}, unavailable(p.Function, f)
		}
		l.heights.awaitLevel(ctx, time.Duration(attempt)*50*time.Millisecond)
	}
}

func (l *Ledger) endorse(ctx context.Context, by *connection.Identity, p ledger.Proposal) (ledger.Transaction, error) {
	contract, err := l.contract(l.nearest(), by, l.config.Chaincode)
	if err != nil {
		return ledger.Transaction{}, err
	}
	proposal, err := contract.NewProposal(p.Function, client.WithArguments(p.Args...), client.WithEndorsingOrganizations(l.config.Endorsers...))
	if err != nil {
		return ledger.Transaction{}, err
	}
	tx, err := proposal.EndorseWithContext(ctx)
	if err != nil {
		return ledger.Transaction{}, err
	}
	content, err := signed(by, tx)
	return ledger.Transaction{ID: tx.TransactionID(), Bytes: content, Result: tx.Result()}, err
}

// signed returns the envelope of a transaction, as orderers take it. It is signed
// now: who submits it later may not have this certificate any more.
func signed(by *connection.Identity, tx *client.Transaction) ([]byte, error) {
	content, err := tx.Bytes()
	if err != nil {
		return nil, err
	}
	var prepared gateway.PreparedTransaction
	if err := proto.Unmarshal(content, &prepared); err != nil {
		return nil, err
	}
	envelope := prepared.GetEnvelope()
	if envelope.Signature, err = by.Sign(envelope.GetPayload()); err != nil {
		return nil, err
	}
	return proto.Marshal(envelope)
}

// Evaluate implements ledger.Ledger. One of our own peers answers.
func (l *Ledger) Evaluate(ctx context.Context, p ledger.Proposal) ([]byte, error) {
	by, err := l.identities.of(p.Identity)
	if err != nil {
		return nil, unavailable(p.Function, err)
	}
	result, err := l.query(ctx, by, l.config.Chaincode, p.Function, client.WithArguments(p.Args...))
	if err == nil {
		return result, nil
	}
	f := diagnose(err, nil)
	if f.refusal != nil {
		return nil, f.refusal
	}
	l.warn("evaluate", err)
	return nil, unavailable(p.Function, f)
}

// query evaluates a function of a chaincode on our own peers.
func (l *Ledger) query(ctx context.Context, by *connection.Identity, chaincode, function string, args client.ProposalOption) (result []byte, err error) {
	if err := l.evaluating.Acquire(ctx, 1); err != nil {
		return nil, err
	}
	defer l.evaluating.Release(1)
	ctx, cancel := context.WithTimeout(ctx, l.o.EvaluateTimeout)
	defer cancel()
	err = l.patiently(ctx, func() error {
		contract, err := l.contract(l.nearest(), by, chaincode)
		if err != nil {
			return err
		}
		result, err = contract.EvaluateWithContext(ctx, function, args, client.WithEndorsingOrganizations(l.config.MSP))
		return err
	})
	return result, err
}

// warn logs a failure with what the peers said of it.
func (l *Ledger) warn(doing string, err error) {
	if code := code(err); code == codes.Canceled {
		return
	}
	if n, ok := l.quiet.may(doing); ok {
		l.o.Log.Warn("Fabric call failed", slog.String("call", doing), slog.String("code", code(err).String()),
			slog.Any("err", &failure{cause: err}), slog.Any("peers", said(err)), slog.Int("alike", n))
	}
}
