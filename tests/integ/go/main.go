// A framework on mesos-go's v1 library: scheduler, executor and operator in one
// program, each in the library's protobuf or JSON. Run by client_go.sh, which looks
// at the lines "FACT …" that it prints.
//
//	client protobuf|json MASTER(host:port)		the scheduler, and the reads in its midst
//	client survivor protobuf|json MASTER DIR [ID]	a scheduler that obeys, see survivor.go
//	client executor protobuf|json			what the scheduler launches
//
// SPDX-License-Identifier: Apache-2.0
package main

import (
	"fmt"
	"log"
	"os"
	"strings"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/encoding"
	"github.com/mesos/mesos-go/api/v1/lib/encoding/codecs"
	"github.com/mesos/mesos-go/api/v1/lib/httpcli"
)

func fact(words ...interface{}) {
	fmt.Println("FACT", strings.TrimSuffix(fmt.Sprintln(words...), "\n"))
}

func check(what string, err error) {
	if err != nil {
		log.Fatalf("%s: %v", what, err)
	}
}

func must(what string, ok bool) {
	if !ok {
		log.Fatalf("%s: not so", what)
	}
}

func codecOf(name string) encoding.Codec {
	switch name {
	case "protobuf":
		return codecs.ByMediaType[codecs.MediaTypeProtobuf]
	case "json":
		return codecs.ByMediaType[codecs.MediaTypeJSON]
	}
	log.Fatalf("no codec '%s'", name)
	panic("not reached")
}

func newClient(codec encoding.Codec, url string) *httpcli.Client {
	return httpcli.New(httpcli.Endpoint(url), httpcli.Codec(codec),
		httpcli.Do(httpcli.With(httpcli.Timeout(time.Minute))))
}

// Enum values younger than the library. Its protobuf codec takes them as numbers;
// its JSON codec refuses a whole answer for a name that is not in this table.
func teachNames() {
	for n, name := range []string{"HIERARCHICAL_ROLE", "RESERVATION_REFINEMENT", "RESOURCE_PROVIDER",
		"RESIZE_VOLUME", "AGENT_OPERATION_FEEDBACK", "AGENT_DRAINING", "TASK_RESOURCE_LIMITS"} {
		mesos.AgentInfo_Capability_Type_value[name] = int32(n + 2)
	}
}

func main() {
	teachNames()
	log.SetFlags(0)
	switch {
	case len(os.Args) >= 5 && os.Args[1] == "survivor":
		runSurvivor(os.Args[2], os.Args[3], os.Args[4], strings.Join(os.Args[5:], ""))
	case len(os.Args) == 3 && os.Args[1] == "executor":
		runExecutor(os.Args[2])
	case len(os.Args) == 3:
		runScheduler(os.Args[1], os.Args[2])
	default:
		log.Fatal("usage: client protobuf|json MASTER")
	}
}
