package embedded

import (
	"crypto/sha256"
	"encoding/binary"
	"time"

	"gxcoin.money/gx/internal/ledger"
)

// block is a block with its transactions. Its hash chain is
//
//	data = SHA-256(time, and of each transaction: id, code, SHA-256 of its bytes)
//	hash = SHA-256(number, previous hash, data)
//
// with numbers in 8 bytes, time in microseconds and texts behind their length.
type block struct {
	number   int64
	prevHash []byte // empty in block 0
	at       time.Time
	txs      []recorded
}

// recorded is a transaction in a block.
type recorded struct {
	*transaction
	code ledger.Code
}

func (b *block) dataHash() []byte {
	buf := binary.BigEndian.AppendUint64(nil, uint64(b.at.UnixMicro()))
	for _, t := range b.txs {
		buf = appendText(buf, t.id)
		buf = appendText(buf, string(t.code))
		buf = append(buf, t.digest[:]...)
	}
	sum := sha256.Sum256(buf)
	return sum[:]
}

func (b *block) hash(data []byte) []byte {
	buf := binary.BigEndian.AppendUint64(nil, uint64(b.number))
	buf = append(buf, b.prevHash...)
	buf = append(buf, data...)
	sum := sha256.Sum256(buf)
	return sum[:]
}

// split divides the transaction's bytes into what the ledger stores as bytes and
// the event that it emits. An invalid transaction emits none.
func (t recorded) split() (bytes []byte, name string, payload []byte) {
	if t.code != ledger.Valid || t.event == nil {
		return t.bytes, "", []byte{}
	}
	return t.bytes[:t.head], t.event.Name, t.bytes[t.head:]
}
