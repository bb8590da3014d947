package fabric

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"testing"
	"time"

	"github.com/hyperledger/fabric-protos-go-apiv2/common"
	fabricpeer "github.com/hyperledger/fabric-protos-go-apiv2/peer"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"gxcoin.money/gx/internal/ledger"
)

func bytesOf(t *testing.T, m proto.Message) []byte {
	t.Helper()
	b, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// transaction is an endorsed transaction of a chaincode with an event.
func transaction(t *testing.T, id, chaincode, event string, at time.Time) []byte {
	t.Helper()
	action := &fabricpeer.ChaincodeAction{}
	if event != "" {
		action.Events = bytesOf(t, &fabricpeer.ChaincodeEvent{ChaincodeId: chaincode, TxId: id, EventName: event, Payload: []byte("payload")})
	}
	response := bytesOf(t, &fabricpeer.ProposalResponsePayload{Extension: bytesOf(t, action)})
	payload := bytesOf(t, &fabricpeer.ChaincodeActionPayload{Action: &fabricpeer.ChaincodeEndorsedAction{ProposalResponsePayload: response}})
	header := &common.Header{ChannelHeader: bytesOf(t, &common.ChannelHeader{
		Type: int32(common.HeaderType_ENDORSER_TRANSACTION), TxId: id, ChannelId: "gxchannel", Timestamp: timestamppb.New(at),
	})}
	return bytesOf(t, &common.Envelope{Payload: bytesOf(t, &common.Payload{
		Header: header, Data: bytesOf(t, &fabricpeer.Transaction{Actions: []*fabricpeer.TransactionAction{{Payload: payload}}}),
	})})
}

func block(data [][]byte, codes ...fabricpeer.TxValidationCode) *common.Block {
	sum := sha256.Sum256(bytes.Join(data, nil))
	filter := make([]byte, len(codes))
	for i, c := range codes {
		filter[i] = byte(c)
	}
	return &common.Block{
		Header:   &common.BlockHeader{Number: 7, PreviousHash: []byte("previous"), DataHash: sum[:]},
		Data:     &common.BlockData{Data: data},
		Metadata: &common.BlockMetadata{Metadata: [][]byte{nil, nil, filter}},
	}
}

func TestDecode(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	data := [][]byte{
		transaction(t, "a", "gxtv3", "Envelope", at),
		transaction(t, "b", "gxtv3", "Envelope", at.Add(time.Second)),
		transaction(t, "c", "_lifecycle", "Other", at),
		transaction(t, "d", "gxtv3", "", at),
		transaction(t, "a", "gxtv3", "Envelope", at),
		transaction(t, "e", "gxtv3", "Envelope", at),
	}
	const valid, conflict, phantom = fabricpeer.TxValidationCode_VALID, fabricpeer.TxValidationCode_MVCC_READ_CONFLICT, fabricpeer.TxValidationCode_PHANTOM_READ_CONFLICT
	b, err := decode(block(data, valid, conflict, valid, phantom, fabricpeer.TxValidationCode_DUPLICATE_TXID, fabricpeer.TxValidationCode_ENDORSEMENT_POLICY_FAILURE), "gxtv3")
	if err != nil {
		t.Fatal(err)
	}
	if b.Number != 7 || string(b.PrevHash) != "previous" || len(b.Hash) != 32 || !b.Time.Equal(at.Add(time.Second)) {
		t.Errorf("the block is %+v", b)
	}
	for i, want := range []struct {
		id    string
		code  ledger.Code
		event bool
	}{{"a", ledger.Valid, true}, {"b", ledger.ReadConflict, false}, {"c", ledger.Valid, false}, {"d", ledger.PhantomConflict, false}, {"", ledger.Invalid, false}, {"e", ledger.Invalid, false}} {
		tx := b.Txs[i]
		if tx.ID != want.id || tx.Index != i || tx.Code != want.code || (tx.Event != nil) != want.event {
			t.Errorf("transaction %d is %+v", i, tx)
		}
	}
	if e := b.Txs[0].Event; e.Name != "Envelope" || string(e.Payload) != "payload" {
		t.Errorf("the event is %v", e)
	}
	first := block(nil)
	first.Header.PreviousHash = nil
	if b, err := decode(first, "gxtv3"); err != nil || b.PrevHash == nil || len(b.PrevHash) != 0 {
		t.Errorf("the first block: %v, %v", b, err)
	}
}

func TestBrokenBlocks(t *testing.T) {
	good := transaction(t, "a", "gxtv3", "Envelope", time.Now())
	tampered := block([][]byte{good}, fabricpeer.TxValidationCode_VALID)
	tampered.Data.Data[0] = transaction(t, "b", "gxtv3", "Envelope", time.Now())
	short := block([][]byte{good, good}, fabricpeer.TxValidationCode_VALID)
	bare := block([][]byte{good})
	bare.Metadata = nil
	for name, b := range map[string]*common.Block{
		"data that are not the header's": tampered, "a code is missing": short, "no codes": bare,
		"garbage": block([][]byte{[]byte("garbage")}, fabricpeer.TxValidationCode_VALID),
	} {
		_, err := decode(b, "gxtv3")
		if !isBroken(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if isBroken(errors.New("other")) {
		t.Error("any error is a broken block")
	}
}

// That blocks are linked by this hash is proved on a real channel by the suite.
func TestHeaderHash(t *testing.T) {
	a := headerHash(&common.BlockHeader{Number: 1, PreviousHash: []byte{1}, DataHash: []byte{2}})
	b := headerHash(&common.BlockHeader{Number: 2, PreviousHash: []byte{1}, DataHash: []byte{2}})
	if len(a) != sha256.Size || bytes.Equal(a, b) {
		t.Errorf("%x, %x", a, b)
	}
}
