// SPDX-License-Identifier: Apache-2.0

package tee

import (
	"bytes"
	"crypto/x509"
	"encoding/binary"
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/google/go-sev-guest/abi"
	snpclient "github.com/google/go-sev-guest/client"
	spb "github.com/google/go-sev-guest/proto/sevsnp"
	snpverify "github.com/google/go-sev-guest/verify"
	"github.com/google/go-sev-guest/verify/trust"
	tdxclient "github.com/google/go-tdx-guest/client"
	labi "github.com/google/go-tdx-guest/client/linuxabi"
	tdxverify "github.com/google/go-tdx-guest/verify"

	"sealpod.test/tee/forge"
)

// The clients are Google's; they run inside.

func asked() (data [64]byte) {
	copy(data[:], bytes.Repeat([]byte{0xC5}, 64))
	return data
}

func say(raw []byte, err error) int {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Println(hex.EncodeToString(raw))
	return 0
}

func googleSNP([]string) int {
	provider := &snpclient.LinuxConfigFsQuoteProvider{}
	return say(provider.GetRawQuote(asked()))
}

func googleIoctl([]string) int {
	flag.Set("self_throttle_duration", "0s") // it would wait two seconds between commands
	provider := &snpclient.LinuxIoctlQuoteProvider{}
	return say(provider.GetRawQuote(asked()))
}

func googleTDX([]string) int {
	provider := &tdxclient.LinuxConfigFsQuoteProvider{}
	return say(provider.GetRawQuote(asked()))
}

func tdreportClient([]string) int {
	device, err := tdxclient.OpenDevice()
	if err != nil {
		return say(nil, err)
	}
	request := &labi.TdxReportReq{ReportData: asked()}
	_, err = device.Ioctl(labi.IocTdxGetReport, request)
	return say(request.TdReport[:], err)
}

func output(t *testing.T, o Options, client string) []byte {
	t.Helper()
	raw, err := hex.DecodeString(strings.TrimSpace(run(t, o, client)))
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestGoogleGathersSNP(t *testing.T) {
	for _, c := range []struct {
		o      Options
		client string
	}{
		{Options{Kind: KindSNP}, "google-snp"}, {Options{Kind: KindSNPIoctl}, "google-ioctl"},
		{Options{Kind: KindSNP, VLEK: true}, "google-snp"}, {Options{Kind: KindSNPIoctl, Product: "Genoa", ReportVersion: 5}, "google-ioctl"},
	} {
		quote := output(t, c.o, c.client)
		attestation, err := abi.ReportCertsToProto(quote)
		if err != nil {
			t.Fatal(err)
		}
		want := asked()
		if !bytes.Equal(attestation.Report.ReportData, want[:]) {
			t.Errorf("report data %x", attestation.Report.ReportData)
		}
		if err := verifySNP(t, attestation, c.o); err != nil {
			t.Errorf("%+v: %v", c.o, err)
		}
	}
}

func verifySNP(t *testing.T, attestation *spb.Attestation, o Options) error {
	t.Helper()
	roots, err := forge.ReadRoots(rootsDir())
	if err != nil {
		t.Fatal(err)
	}
	if o.Product == "" {
		o.Product = "Milan"
	}
	chain := roots.AMD.Chains[o.Product]
	root := trust.AMDRootCertsProduct(o.Product)
	root.ProductCerts = &trust.ProductCerts{Ark: chain.ARK, Ask: chain.ASK, Asvk: chain.ASVK}
	return snpverify.SnpAttestation(attestation, &snpverify.Options{
		DisableCertFetching: true, Now: time.Now(), TrustedRoots: map[string][]*trust.AMDRootCerts{o.Product: {root}},
	})
}

func TestGoogleGathersTDX(t *testing.T) {
	roots, err := forge.ReadRoots(rootsDir())
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(roots.Intel.Root)
	for _, fault := range []string{"", "trailing=pad", "chain-nul"} {
		o := tdxWith()
		if fault != "" {
			o = tdxWith(fault)
		}
		quote := output(t, o, "google-tdx")
		if err := tdxverify.RawTdxQuote(quote, &tdxverify.Options{Now: time.Now(), TrustedRoots: pool}); err != nil {
			t.Errorf("%s: %v", fault, err)
		}
		if (fault == "trailing=pad") != (len(quote) == 8000) {
			t.Errorf("%s: %d bytes", fault, len(quote))
		}
	}
}

func TestGoogleGetsTDReport(t *testing.T) {
	id := strings.Repeat("1f", 48)
	report := output(t, Options{Kind: KindTDX, MRConfigID: id}, "tdreport")
	want := asked()
	if len(report) != 1024 || report[0] != 0x81 || !bytes.Equal(report[0x80:0xC0], want[:]) || hex.EncodeToString(report[0x240:0x270]) != id {
		t.Errorf("%x", report)
	}
}

// ioctlClient makes one extended request: VERSION CERTS_LEN VMPL [null|cmd=N]. It
// prints errno, exitinfo2, certs_len, status, size, the report's first bytes, and
// whether certificates came.
func ioctlClient(args []string) int {
	device, err := os.OpenFile("/dev/sev-guest", os.O_RDWR, 0)
	if err != nil {
		return say(nil, err)
	}
	for _, arg := range args {
		fmt.Println(oneIoctl(device.Fd(), strings.Fields(arg)))
	}
	return 0
}

func oneIoctl(fd uintptr, words []string) string {
	number := func(i int) uint32 {
		n, _ := strconv.ParseUint(words[i], 0, 32)
		return uint32(n)
	}
	request, response, certs := make([]byte, 112), make([]byte, 4000), make([]byte, 0x5000)
	copy(request, bytes.Repeat([]byte{0xC5}, 64))
	binary.LittleEndian.PutUint32(request[64:], number(2))
	binary.LittleEndian.PutUint64(request[96:], uint64(uintptr(unsafe.Pointer(&certs[0]))))
	binary.LittleEndian.PutUint32(request[104:], number(1))
	wrapper := make([]byte, 32)
	wrapper[0] = byte(number(0))
	binary.LittleEndian.PutUint64(wrapper[8:], uint64(uintptr(unsafe.Pointer(&request[0]))))
	binary.LittleEndian.PutUint64(wrapper[16:], uint64(uintptr(unsafe.Pointer(&response[0]))))
	binary.LittleEndian.PutUint64(wrapper[24:], 0x7777)
	cmd := uint32(snpGetExtReport)
	if len(words) > 3 && words[3] == "null" {
		clear(wrapper[8:16])
	} else if len(words) > 3 && words[3] == "bad" {
		binary.LittleEndian.PutUint64(wrapper[8:], 8)
	} else if len(words) > 3 {
		cmd = number(3)
	}
	_, _, errno := syscall.Syscall(syscall.SYS_IOCTL, fd, uintptr(cmd), uintptr(unsafe.Pointer(&wrapper[0])))
	return fmt.Sprintf("%s %#x len=%#x status=%#x size=%d report=%x certs=%v", outcome("none", errnoError(errno)),
		binary.LittleEndian.Uint64(wrapper[24:]), binary.LittleEndian.Uint32(request[104:]), binary.LittleEndian.Uint32(response),
		binary.LittleEndian.Uint32(response[4:]), response[32:33], !bytes.Equal(certs, make([]byte, len(certs))))
}

func errnoError(errno syscall.Errno) error {
	if errno == 0 {
		return nil
	}
	return errno
}

func TestSevGuest(t *testing.T) {
	good := "none 0x7777 len=0x4000 status=0x0 size=1184 report=03 certs=true"
	for _, c := range []struct {
		name string
		o    Options
		ask  []string
		want []string
	}{
		{"growth", snpWith(), []string{"1 0 0", "1 0x1000 0", "1 0x2000 0", "1 0x4000 0"}, []string{
			"EIO 0x100000000 len=0x2000 status=0x0 size=0 report=00 certs=false",
			"EIO 0x100000000 len=0x2000 status=0x0 size=0 report=00 certs=false",
			"none 0x7777 len=0x2000 status=0x0 size=1184 report=03 certs=true", good}},
		{"huge", snpWith("certs=huge"), []string{"1 0x4000 0", "1 0x6000 0"}, []string{"EIO 0x100000000 len=0x6000…", "EINVAL 0xff len=0x6000…"}},
		{"sizes", snpWith(), []string{"1 0x5000 0", "1 100 0"}, []string{"EINVAL 0xff len=0x5000…", "EINVAL 0xff len=0x64…"}},
		{"version", snpWith(), []string{"0 0x4000 0"}, []string{"EINVAL 0x7777…"}},
		{"null", snpWith(), []string{"1 0x4000 0 null", "1 0x4000 0 bad"}, []string{"EINVAL 0xff…", "EFAULT 0xff…"}},
		{"unknown", snpWith(), []string{"1 0x4000 0 0xC0205309", "1 0x4000 0 0xC0205301", "1 0x4000 0 0x5301"}, []string{"ENOTTY…", "ENOTTY…", "ENOTTY…"}},
		{"plain", snpWith(), []string{"1 0x4000 0 0xC0205300"}, []string{"none 0x7777 len=0x4000 status=0x0 size=1184 report=03 certs=false"}},
		{"no certificates", snpWith("certs=none"), []string{"1 0 0", "1 0x4000 0"}, []string{
			"none 0x7777 len=0x0 status=0x0 size=1184 report=03 certs=false",
			"none 0x7777 len=0x4000 status=0x0 size=1184 report=03 certs=false"}},
		{"status", snpWith("status=0x27*1"), []string{"1 0x4000 0", "1 0x4000 0"}, []string{"none 0x7777 len=0x4000 status=0x27 size=0 report=00…", good}},
		{"vmpl", snpWith(), []string{"1 0x4000 4"}, []string{"none 0x7777 len=0x4000 status=0x16…"}},
		{"size", snpWith("report-size=1000"), []string{"1 0x4000 0"}, []string{"none 0x7777 len=0x4000 status=0x0 size=1000…"}},
		{"firmware", snpWith("fw-error=0x19"), []string{"1 0x4000 0", "1 0x4000 0"}, []string{"EIO 0x19…", "ENOTTY 0xff…"}},
		{"hypervisor", snpWith("vmm-error=3"), []string{"1 0x4000 0", "1 0x4000 0"}, []string{"EIO 0x300000000…", "ENOTTY…"}},
		{"fatal", snpWith("fatal"), []string{"1 0x4000 0"}, []string{"ENOTTY…"}},
		{"errno", snpWith("ioctl=ETIMEDOUT*1"), []string{"1 0x4000 0", "1 0x4000 0"}, []string{"ETIMEDOUT…", good}},
		{"busy", snpWith("delay=200ms*1"), []string{"1 0x4000 0"}, []string{good}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := strings.Split(run(t, c.o, "ioctl", c.ask...), "\n")
			for i, want := range c.want {
				prefix, isPrefix := strings.CutSuffix(want, "…")
				if (isPrefix && !strings.HasPrefix(got[i], prefix)) || (!isPrefix && got[i] != want) {
					t.Errorf("'%s': got '%s', want '%s'", c.ask[i], got[i], want)
				}
			}
		})
	}
}

func TestReportsCarryWhatIsAsked(t *testing.T) {
	hostData := strings.Repeat("3c", 32)
	for name, c := range map[string]struct {
		o    Options
		at   int
		want string
	}{
		"host data":  {Options{Kind: KindSNP, HostData: hostData}, 0xC0, hostData},
		"vmpl":       {Options{Kind: KindSNP, Set: map[string]string{"vmpl": "0x2"}}, 0x30, "02000000"},
		"debug":      {snpWith("set=policy=0xb0000"), 0x08, "00000b0000000000"},
		"wrong data": {snpWith("wrong-data"), 0x50, "c4c5"},
		"replay":     {snpWith("replay"), 0x50, "eaea"},
		"Turin":      {Options{Kind: KindSNP, Product: "Turin", ReportVersion: 5}, 0x180, "010a0017000000d51a02"},
		"masked":     {snpWith("set=key_info=0x2"), 0x2A0, strings.Repeat("00", 144)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			quote := output(t, c.o, "google-snp")
			want, _ := hex.DecodeString(c.want)
			if got := quote[c.at : c.at+len(want)]; !bytes.Equal(got, want) {
				t.Errorf("%x, want %x", got, want)
			}
		})
	}
}
