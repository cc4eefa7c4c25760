/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * an ipc namespace keeps message queues with what waits in them, semaphores,
 * shared memory that somebody or nobody has attached, and numbers
 */
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>

#include "said.h"

enum { KEY = 0x5eed5, SIZE = 4097 * 3, NSEMS = 7 };

static int queue, private_queue, sems, used, unused;
static char *memory;

struct message {
	long type;
	char text[5000];
};

static bool send(long type, size_t len, char c)
{
	struct message m = { .type = type };

	memset(m.text, c, len);
	return expect(msgsnd(queue, &m, len, IPC_NOWAIT) == 0);
}

static bool receive(long type, size_t len, char c)
{
	struct message m = { 0 };

	return expect(msgrcv(queue, &m, sizeof(m.text), type, IPC_NOWAIT) == (ssize_t)len) &&
	       expect(m.type == (type ? type : 5)) &&
	       expect(!len || (m.text[0] == c && m.text[len - 1] == c));
}

static bool make(void)
{
	struct semid_ds owner = { .sem_perm = { .uid = 5, .gid = 7, .mode = 0641 } };
	struct msqid_ds ds;
	char *p;

	/* elsewhere there is one already, and a tree has only one */
	if (victim_is_at("host") && !expect(unshare(CLONE_NEWIPC) == 0))
		return false;
	/* numbers that are not the first ones */
	for (int i = 0; i < 3; i++) {
		msgctl(msgget(IPC_PRIVATE, 0600), IPC_RMID, NULL);
		semctl(semget(IPC_PRIVATE, 1, 0600), 0, IPC_RMID);
	}
	queue = msgget(KEY, IPC_CREAT | 0604);
	private_queue = msgget(IPC_PRIVATE, 0600);
	sems = semget(KEY, NSEMS, IPC_CREAT | 0600);
	used = shmget(KEY, SIZE, IPC_CREAT | 0600);
	unused = shmget(KEY + 1, 77, IPC_CREAT | 0606);
	if (!expect(queue >= 0) || !expect(private_queue >= 0) || !expect(sems >= 0) ||
	    !expect(used >= 0) || !expect(unused >= 0))
		return false;
	if (!send(5, 0, 'a') || !send(77, 13, 'b') || !send(5, 4097, 'c') ||
	    !expect(msgctl(queue, IPC_STAT, &ds) == 0))
		return false;
	ds.msg_qbytes = 4111; /* what is in it just fits */
	if (!expect(msgctl(queue, IPC_SET, &ds) == 0))
		return false;
	for (int i = 0; i < NSEMS; i++)
		if (!expect(semctl(sems, i, SETVAL, i * 11 + 1) == 0))
			return false;
	if (!expect(semctl(sems, 0, IPC_SET, &owner) == 0))
		return false;
	memory = shmat(used, NULL, 0);
	p = shmat(unused, NULL, 0);
	memset(memory, 'm', SIZE);
	strcpy(p, "nobody");
	return expect(shmdt(p) == 0);
}

static bool sems_are_same(void)
{
	struct semid_ds ds;
	bool all = true;

	if (!expect(semctl(sems, 0, IPC_STAT, &ds) == 0) || !expect(ds.sem_perm.uid == 5) ||
	    !expect(ds.sem_perm.gid == 7) || !expect((ds.sem_perm.mode & 0777) == 0641) ||
	    !expect(ds.sem_nsems == NSEMS) || !expect(semget(KEY, 0, 0) == sems))
		return false;
	for (int i = 0; i < NSEMS; i++)
		all &= expect(semctl(sems, i, GETVAL) == i * 11 + 1);
	return all;
}

static bool memory_is_same(void)
{
	struct shmid_ds ds;
	const char *p = shmat(unused, NULL, SHM_RDONLY);

	return expect(memory[0] == 'm') && expect(memory[SIZE - 1] == 'm') &&
	       expect(p != (void *)-1) && expect(strcmp(p, "nobody") == 0) &&
	       expect(shmget(KEY, 0, 0) == used) && expect(shmget(KEY + 1, 0, 0) == unused) &&
	       expect(shmctl(unused, IPC_STAT, &ds) == 0) && expect(ds.shm_segsz == 77) &&
	       expect((ds.shm_perm.mode & 0777) == 0606) && expect(ds.shm_nattch == 1) &&
	       expect(shmctl(used, IPC_STAT, &ds) == 0) && expect(ds.shm_segsz == SIZE) &&
	       expect(ds.shm_nattch == 1) && expect(shmdt(p) == 0);
}

static bool same(void)
{
	struct msqid_ds ds;

	return sems_are_same() && memory_is_same() && expect(msgget(KEY, 0) == queue) &&
	       expect(msgctl(queue, IPC_STAT, &ds) == 0) && expect(ds.msg_qbytes == 4111) &&
	       expect(ds.msg_qnum == 3) && expect((ds.msg_perm.mode & 0777) == 0604) &&
	       expect(msgctl(private_queue, IPC_STAT, &ds) == 0) && receive(77, 13, 'b') &&
	       receive(0, 0, 0) && receive(0, 4097, 'c') &&
	       expect(msgrcv(queue, &(struct message){ 0 }, 5, 0, IPC_NOWAIT) < 0);
}

VICTIM(make, same)
