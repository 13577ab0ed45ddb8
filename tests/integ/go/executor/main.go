// An executor on mesos-go's v1 library: runs each task by saying TASK_RUNNING and
// TASK_FINISHED, and ends on SHUTDOWN. The codec comes from its first argument.
// Run by client_go.sh.
//
// SPDX-License-Identifier: Apache-2.0
package main

import (
	"context"
	"log"
	"net/url"
	"os"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/encoding/codecs"
	"github.com/mesos/mesos-go/api/v1/lib/executor"
	"github.com/mesos/mesos-go/api/v1/lib/executor/calls"
	"github.com/mesos/mesos-go/api/v1/lib/executor/config"
	"github.com/mesos/mesos-go/api/v1/lib/httpcli"
	"github.com/mesos/mesos-go/api/v1/lib/httpcli/httpexec"
	"github.com/pborman/uuid"
)

func main() {
	cfg, err := config.FromEnv()
	if err != nil {
		log.Fatal(err)
	}
	codec := codecs.ByMediaType[codecs.MediaTypeProtobuf]
	if len(os.Args) > 1 && os.Args[1] == "json" {
		codec = codecs.ByMediaType[codecs.MediaTypeJSON]
	}
	api := url.URL{Scheme: "http", Host: cfg.AgentEndpoint, Path: "/api/v1/executor"}
	options := executor.CallOptions{calls.Framework(cfg.FrameworkID), calls.Executor(cfg.ExecutorID)}
	client := func(f func(*httpcli.Client) calls.Sender) calls.Sender {
		return f(httpcli.New(httpcli.Endpoint(api.String()), httpcli.Codec(codec),
			httpcli.Do(httpcli.With(httpcli.Timeout(time.Hour)))))
	}
	sender := func(c *httpcli.Client) calls.Sender { return httpexec.NewSender(c.Send) }
	stream, control := client(sender), client(sender)

	ctx := context.Background()
	resp, err := stream.Send(ctx, calls.NonStreaming(calls.Subscribe(nil, nil).With(options...)))
	if err != nil {
		log.Fatalf("subscribe: %v", err)
	}
	defer resp.Close()
	var agent mesos.AgentInfo
	update := func(task mesos.TaskID, state mesos.TaskState) {
		source := mesos.SOURCE_EXECUTOR
		now := float64(time.Now().UnixNano()) / 1e9
		message := "from go"
		status := mesos.TaskStatus{TaskID: task, State: &state, Source: &source, UUID: uuid.NewRandom(),
			ExecutorID: &mesos.ExecutorID{Value: cfg.ExecutorID}, Timestamp: &now, Message: &message,
			Data: []byte{0, 1, 2, 255}}
		err := calls.SendNoData(ctx, control, calls.NonStreaming(calls.Update(status).With(options...)))
		if err != nil {
			log.Fatalf("update: %v", err)
		}
	}
	for {
		var e executor.Event
		if err := resp.Decode(&e); err != nil {
			log.Fatalf("stream: %v", err)
		}
		log.Printf("event %v", e.Type)
		switch e.Type {
		case executor.Event_SUBSCRIBED:
			agent = e.Subscribed.AgentInfo
			if e.Subscribed.ExecutorInfo.ExecutorID.Value != cfg.ExecutorID ||
				e.Subscribed.FrameworkInfo.ID.GetValue() != cfg.FrameworkID {
				log.Fatal("SUBSCRIBED is for somebody else")
			}
			log.Printf("subscribed at %s", agent.Hostname)
		case executor.Event_LAUNCH:
			update(e.Launch.Task.TaskID, mesos.TASK_RUNNING)
			update(e.Launch.Task.TaskID, mesos.TASK_FINISHED)
		case executor.Event_KILL:
			update(e.Kill.TaskID, mesos.TASK_KILLED)
		case executor.Event_SHUTDOWN:
			return
		}
	}
}
