// The executor. A task whose data says "stay" runs until it is killed, another one
// finishes at once. A message comes back with "back:" before it.
//
// SPDX-License-Identifier: Apache-2.0
package main

import (
	"context"
	"log"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/executor"
	"github.com/mesos/mesos-go/api/v1/lib/executor/calls"
	"github.com/mesos/mesos-go/api/v1/lib/executor/config"
	"github.com/mesos/mesos-go/api/v1/lib/httpcli/httpexec"
	"github.com/pborman/uuid"
)

type goExecutor struct {
	cfg     config.Config
	options executor.CallOptions
	control calls.Sender
	unacked map[string]bool
}

func (x *goExecutor) send(what string, c *executor.Call) {
	err := calls.SendNoData(context.Background(), x.control, calls.NonStreaming(c.With(x.options...)))
	check(what, err)
}

func (x *goExecutor) update(task mesos.TaskID, state mesos.TaskState) {
	source := mesos.SOURCE_EXECUTOR
	now := float64(time.Now().UnixNano()) / 1e9
	message := "from go"
	id := uuid.NewRandom()
	x.unacked[string(id)] = true
	x.send("UPDATE", calls.Update(mesos.TaskStatus{
		TaskID: task, State: &state, Source: &source, UUID: id, Timestamp: &now, Message: &message,
		ExecutorID: &mesos.ExecutorID{Value: x.cfg.ExecutorID},
		Data:       []byte{0, 1, 2, 255},
	}))
}

// Says whether there is more to come.
func (x *goExecutor) handle(e *executor.Event) bool {
	switch e.Type {
	case executor.Event_SUBSCRIBED:
		must("SUBSCRIBED: executor id", e.Subscribed.ExecutorInfo.ExecutorID.Value == x.cfg.ExecutorID)
		must("SUBSCRIBED: framework id", e.Subscribed.FrameworkInfo.ID.GetValue() == x.cfg.FrameworkID)
		must("SUBSCRIBED: container id", e.Subscribed.ContainerID.GetValue() != "")
	case executor.Event_LAUNCH:
		task := e.Launch.Task
		x.update(task.TaskID, mesos.TASK_RUNNING)
		if string(task.Data) != "stay" {
			x.update(task.TaskID, mesos.TASK_FINISHED)
		}
	case executor.Event_KILL:
		x.update(e.Kill.TaskID, mesos.TASK_KILLED)
	case executor.Event_ACKNOWLEDGED:
		must("ACKNOWLEDGED: an update that was sent", x.unacked[string(e.Acknowledged.UUID)])
		delete(x.unacked, string(e.Acknowledged.UUID))
	case executor.Event_MESSAGE:
		x.send("MESSAGE", calls.Message(append([]byte("back:"), e.Message.Data...)))
	case executor.Event_ERROR:
		log.Fatalf("ERROR: %s", e.Error.Message)
	case executor.Event_SHUTDOWN:
		return false
	}
	return true
}

func runExecutor(codec string) {
	cfg, err := config.FromEnv()
	check("environment", err)
	url := "http://" + cfg.AgentEndpoint + "/api/v1/executor"
	x := &goExecutor{
		cfg:     cfg,
		options: executor.CallOptions{calls.Framework(cfg.FrameworkID), calls.Executor(cfg.ExecutorID)},
		control: httpexec.NewSender(newClient(codecOf(codec), url).Send),
		unacked: map[string]bool{},
	}
	stream := httpexec.NewSender(newClient(codecOf(codec), url).Send)
	resp, err := stream.Send(context.Background(), calls.NonStreaming(calls.Subscribe(nil, nil).With(x.options...)))
	check("SUBSCRIBE", err)
	defer resp.Close()
	for {
		var e executor.Event
		check("the stream", resp.Decode(&e))
		log.Printf("event %v", e.Type)
		if !x.handle(&e) {
			return
		}
	}
}
