// SPDX-License-Identifier: Apache-2.0

package azure

import (
	"bytes"
	"crypto/rsa"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/google/go-tpm/tpm2"
)

// Where Azure has its objects.
const (
	handleAK        = 0x81000003
	handlePlainAK   = 0x81010002 // and where the Confidential Containers' own agent looks for a plain TPM's
	indexHCL        = 0x01400001
	indexReportData = 0x01400002
	hclIndexSize    = 2048 // libtpms takes no more; Azure's was so in 2023
	maxCommand      = 4096
	headerSize      = 10
)

// softTPM is swtpm and the one connection to it. One command at a time.
type softTPM struct {
	mu      sync.Mutex
	process *exec.Cmd
	dir     string
	conn    net.Conn
}

func startTPM() (*softTPM, error) {
	dir, err := os.MkdirTemp("", "sealpod-vtpm-")
	if err != nil {
		return nil, err
	}
	socket := filepath.Join(dir, "s")
	t := &softTPM{dir: dir, process: exec.Command("swtpm", "socket", "--tpm2", "--tpmstate", "dir="+dir,
		"--server", "type=unixio,path="+socket, "--flags", "not-need-init,startup-clear")}
	t.process.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := t.process.Start(); err != nil {
		os.RemoveAll(dir)
		return nil, fmt.Errorf("start swtpm: %w", err)
	}
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if t.conn, err = net.Dial("unix", socket); err == nil {
			return t, nil
		}
		if time.Now().After(deadline) {
			t.stop()
			return nil, fmt.Errorf("swtpm does not listen: %w", err)
		}
	}
}

func (t *softTPM) stop() {
	if t.conn != nil {
		t.conn.Close()
	}
	t.process.Process.Kill()
	t.process.Wait()
	os.RemoveAll(t.dir)
}

// exchange passes one command on. The caller holds the lock.
func (t *softTPM) exchange(command []byte) ([]byte, error) {
	if err := t.conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		return nil, err
	}
	if _, err := t.conn.Write(command); err != nil {
		return nil, err
	}
	response := make([]byte, headerSize, maxCommand)
	if _, err := io.ReadFull(t.conn, response); err != nil {
		return nil, err
	}
	size := binary.BigEndian.Uint32(response[2:])
	if size < headerSize || size > maxCommand {
		return nil, fmt.Errorf("swtpm answers with %d bytes", size)
	}
	response = response[:size]
	_, err := io.ReadFull(t.conn, response[headerSize:])
	return response, err
}

// Send implements go-tpm's transport, for the host's side. The caller holds the lock.
func (t *softTPM) Send(command []byte) ([]byte, error) { return t.exchange(command) }

var owner = tpm2.AuthHandle{Handle: tpm2.TPMRHOwner, Auth: tpm2.PasswordAuth(nil)}

// makeAK makes a restricted signing key and keeps it at this handle; 0: it does not.
func (t *softTPM) makeAK(hierarchy, persistent tpm2.TPMHandle) (*rsa.PublicKey, error) {
	primary, err := tpm2.CreatePrimary{
		PrimaryHandle: tpm2.AuthHandle{Handle: hierarchy, Auth: tpm2.PasswordAuth(nil)},
		InPublic: tpm2.New2B(tpm2.TPMTPublic{
			Type: tpm2.TPMAlgRSA, NameAlg: tpm2.TPMAlgSHA256,
			ObjectAttributes: tpm2.TPMAObject{
				FixedTPM: true, FixedParent: true, SensitiveDataOrigin: true, UserWithAuth: true, NoDA: true, Restricted: true, SignEncrypt: true,
			},
			Parameters: tpm2.NewTPMUPublicParms(tpm2.TPMAlgRSA, &tpm2.TPMSRSAParms{
				Scheme: tpm2.TPMTRSAScheme{
					Scheme:  tpm2.TPMAlgRSASSA,
					Details: tpm2.NewTPMUAsymScheme(tpm2.TPMAlgRSASSA, &tpm2.TPMSSigSchemeRSASSA{HashAlg: tpm2.TPMAlgSHA256}),
				},
				KeyBits: 2048,
			}),
		}),
	}.Execute(t)
	if err != nil {
		return nil, fmt.Errorf("make an attestation key: %w", err)
	}
	defer tpm2.FlushContext{FlushHandle: primary.ObjectHandle}.Execute(t)
	if persistent != 0 {
		_, err = tpm2.EvictControl{
			Auth: owner, PersistentHandle: persistent,
			ObjectHandle: &tpm2.NamedHandle{Handle: primary.ObjectHandle, Name: primary.Name},
		}.Execute(t)
		if err != nil {
			return nil, fmt.Errorf("keep the attestation key: %w", err)
		}
	}
	return publicKey(primary.OutPublic)
}

func publicKey(public tpm2.TPM2BPublic) (*rsa.PublicKey, error) {
	area, err := public.Contents()
	if err != nil {
		return nil, err
	}
	parameters, err := area.Parameters.RSADetail()
	if err != nil {
		return nil, err
	}
	unique, err := area.Unique.RSA()
	if err != nil {
		return nil, err
	}
	return tpm2.RSAPub(parameters, unique)
}

func (t *softTPM) defineIndex(index tpm2.TPMHandle, size uint16) error {
	_, err := tpm2.NVDefineSpace{
		AuthHandle: owner,
		PublicInfo: tpm2.New2B(tpm2.TPMSNVPublic{
			NVIndex: index, NameAlg: tpm2.TPMAlgSHA256, DataSize: size,
			Attributes: tpm2.TPMANV{OwnerWrite: true, OwnerRead: true, AuthRead: true, NT: tpm2.TPMNTOrdinary},
		}),
	}.Execute(t)
	return err
}

func (t *softTPM) named(index tpm2.TPMHandle) (tpm2.NamedHandle, uint16, error) {
	public, err := tpm2.NVReadPublic{NVIndex: index}.Execute(t)
	if err != nil {
		return tpm2.NamedHandle{}, 0, err
	}
	contents, err := public.NVPublic.Contents()
	if err != nil {
		return tpm2.NamedHandle{}, 0, err
	}
	return tpm2.NamedHandle{Handle: index, Name: public.NVName}, contents.DataSize, nil
}

func (t *softTPM) writeIndex(index tpm2.TPMHandle, data []byte) error {
	handle, _, err := t.named(index)
	for offset := 0; err == nil && offset < len(data); offset += 1024 {
		piece := data[offset:min(offset+1024, len(data))]
		_, err = tpm2.NVWrite{AuthHandle: owner, NVIndex: handle, Data: tpm2.TPM2BMaxNVBuffer{Buffer: piece}, Offset: uint16(offset)}.Execute(t)
	}
	return err
}

func (t *softTPM) readIndex(index tpm2.TPMHandle) ([]byte, error) {
	handle, size, err := t.named(index)
	if err != nil {
		return nil, err
	}
	if size > 1024 {
		return nil, errors.New("the index is too long to be read at once")
	}
	read, err := tpm2.NVRead{AuthHandle: owner, NVIndex: handle, Size: size}.Execute(t)
	if err != nil {
		return nil, err
	}
	return bytes.Clone(read.Data.Buffer), nil
}

func (t *softTPM) extend(pcr uint32, digest []byte) error {
	_, err := tpm2.PCRExtend{
		PCRHandle: tpm2.AuthHandle{Handle: tpm2.TPMHandle(pcr), Auth: tpm2.PasswordAuth(nil)},
		Digests:   tpm2.TPMLDigestValues{Digests: []tpm2.TPMTHA{{HashAlg: tpm2.TPMAlgSHA256, Digest: digest}}},
	}.Execute(t)
	return err
}
