// SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
/*
 * One actor of the fuzzer, which makes one call after the other, and the process that it is a thread of.
 */
#include <grp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include "fuzz.h"

#define ALICE 1001
#define BOB   1002

static __thread struct fuzz_actor *self;
static __thread sigjmp_buf fault_jump;
static __thread volatile sig_atomic_t fault_expected;

uint64_t fuzz_mix(uint64_t a, uint64_t b)
{
	uint64_t x = a * 0x9e3779b97f4a7c15ULL + b + 0x632be59bd9b4e019ULL;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ x >> 27) * 0x94d049bb133111ebULL;
	return x ^ x >> 31;
}

uint64_t fuzz_random(struct fuzz_actor *a)
{
	a->random += 0x9e3779b97f4a7c15ULL;
	return fuzz_mix(a->random, 0);
}

uint64_t fuzz_below(struct fuzz_actor *a, uint64_t n)
{
	return fuzz_random(a) % n;
}

bool fuzz_one_in(struct fuzz_actor *a, unsigned int n)
{
	return !fuzz_below(a, n);
}

/* The arguments of the call, for the log. */
void fuzz_note(struct fuzz_actor *a, int64_t x, int64_t y, int64_t z)
{
	a->entry->arg[0] = x;
	a->entry->arg[1] = y;
	a->entry->arg[2] = z;
}

/* The first failure ends the run. */
void fuzz_fail(struct fuzz_actor *a, const char *format, ...)
{
	int none = 0;
	va_list args;

	if (!atomic_compare_exchange_strong(&fuzz->failed, &none, a->id + 1))
		return;
	va_start(args, format);
	vsnprintf(fuzz->failure, sizeof(fuzz->failure), format, args);
	va_end(args);
	fuzz->stop = true;
}

static void on_fault(int signal, siginfo_t *info, void *context)
{
	if (fault_expected) {
		fault_expected = 0;
		siglongjmp(fault_jump, signal);
	}
	fuzz_fail(self, "signal %d at %p outside of a pool", signal, info->si_addr);
	_exit(1);
}

/* Words from or to memory that may not be there. 0, SIGSEGV or SIGBUS. */
int fuzz_copy_words(void *to, const void *from, size_t bytes)
{
	const volatile uint64_t *source = from;
	volatile uint64_t *words = to;
	int signal = sigsetjmp(fault_jump, 0);

	if (signal)
		return signal;
	fault_expected = 1;
	for (size_t i = 0; i < bytes / 8; i++)
		words[i] = source[i];
	fault_expected = 0;
	return 0;
}

static unsigned int row_choose(struct fuzz_actor *a)
{
	unsigned int row, sum = 0;
	uint64_t at;

	for (row = 0; row < fuzz_nr_calls; row++)
		sum += fuzz_calls[row].weight;
	at = fuzz_below(a, sum);
	for (row = 0; at >= fuzz_calls[row].weight; row++)
		at -= fuzz_calls[row].weight;
	return row;
}

static bool error_listed(const struct fuzz_call *call, int64_t ret)
{
	for (const int *error = call->errors; *error; error++)
		if (ret == -*error)
			return true;
	return false;
}

/* A ring for @a, with entries that have room for commands. */
bool fuzz_ring_get(struct fuzz_actor *a)
{
	if (!a->ring_ok)
		a->ring_ok = !io_uring_queue_init(4, &a->ring, IORING_SETUP_SQE128);
	return a->ring_ok;
}

/* @nr entries more, of which one is FUZZ_RING_IO or has been, and may give @most, or an error. */
void fuzz_ring_submit(struct fuzz_actor *a, unsigned int nr, int64_t most)
{
	int ret = io_uring_submit(&a->ring);

	if (ret != (int)nr)
		fuzz_fail(a, "a ring takes %d of %u entries", ret, nr);
	a->flight += nr;
	a->flight_most = most;
}

/* The result of the I/O in flight, with whatever was submitted beside it. */
int64_t fuzz_ring_wait(struct fuzz_actor *a)
{
	int64_t ret = 0;

	for (; a->flight; a->flight--) {
		struct io_uring_cqe *cqe;
		int err = io_uring_wait_cqe(&a->ring, &cqe);

		if (err) {
			fuzz_fail(a, "a ring does not say what has become of its entries: %d", err);
			continue;
		}
		if (cqe->user_data == FUZZ_RING_IO)
			ret = cqe->res;
		else if (cqe->res && cqe->res != -ENOENT && cqe->res != -EALREADY)
			fuzz_fail(a, "a cancellation is %d", cqe->res);
		io_uring_cqe_seen(&a->ring, cqe);
	}
	if (ret > a->flight_most)
		fuzz_fail(a, "I/O by a ring gave %lld, not %lld", (long long)ret, (long long)a->flight_most);
	return ret;
}

/* What its ring still writes has to end before it writes anything else. */
static void ring_settle(struct fuzz_actor *a)
{
	if (!a->flight)
		return;
	fuzz_ring_wait(a);
	fuzz_write_end(a);
}

/* Nobody else reads or writes these. */
static void own_file_open(struct fuzz_actor *a)
{
	char path[32];

	a->source = open("/mnt", O_TMPFILE | O_RDWR | O_DIRECT | O_CLOEXEC, 0600);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", a->source);
	a->cached = open(path, O_RDWR | O_CLOEXEC);
	if (a->source < 0 || a->cached < 0)
		fuzz_fail(a, "a file in /mnt: %m");
}

static void own_file_close(struct fuzz_actor *a)
{
	close(a->source);
	close(a->cached);
}

/* Closes a ring whatever it is at. That may go on for a while, with the file it reads. */
void fuzz_ring_drop(struct fuzz_actor *a)
{
	io_uring_queue_exit(&a->ring);
	a->ring_ok = false;
	a->fixed.length = 0;
	a->flight = 0;
	fuzz_write_leave(a);
	own_file_close(a);
	own_file_open(a);
}

/* The call that @a is at was made. */
void fuzz_count(struct fuzz_actor *a, int64_t ret)
{
	int row = a->entry->row;

	atomic_fetch_add(ret < 0 ? &fuzz->row_errors[row][-ret % FUZZ_MAX_ERRNO] : &fuzz->row_ok[row], 1);
	fuzz->calls++;
}

/* One call. */
void fuzz_step(struct fuzz_actor *a)
{
	const struct fuzz_call *call;
	struct fuzz_entry *e;
	unsigned int row;
	int64_t ret;

	ring_settle(a);
	a->number++;
	a->random = fuzz_mix(fuzz_mix(fuzz->seed, a->id), fuzz_mix(a->record->life, a->number));
	row = row_choose(a);
	call = &fuzz_calls[row];
	e = &a->record->log[a->number % FUZZ_LOG];
	*e = (struct fuzz_entry){ .number = a->number, .row = row };
	a->entry = e;
	a->record->number = a->number;

	ret = call->execute(a);

	e->ret = ret;
	e->done = true;
	if (ret == FUZZ_SKIP)
		return;
	if (ret < 0 && !error_listed(call, ret))
		fuzz_fail(a, "%s: %s is not among its errors", call->name, strerror(-ret));
	fuzz_count(a, ret);
}

static void actor_init(struct fuzz_actor *a, struct fuzz_process *proc, unsigned int id, uint64_t life)
{
	a->id = id;
	a->proc = proc;
	a->record = &fuzz->actors[id];
	a->record->life = life;
	a->record->number = 0;
	memset(a->record->log, 0, sizeof(a->record->log));
	a->number = 0;
	a->ring_ok = false;
	a->flight = 0;
	a->nr_claims = 0;
	a->fixed.length = 0;
	if (pipe2(a->pipe, O_CLOEXEC | O_NONBLOCK))
		fuzz_fail(a, "pipe: %m");
	own_file_open(a);
}

static void *thread_run(void *arg)
{
	struct fuzz_actor *a = arg;

	self = a;
	while (!fuzz->stop && fuzz->calls < fuzz->limit)
		fuzz_step(a);
	ring_settle(a);
	return NULL;
}

/* A whole process by itself: every descriptor and every mapping of the caller's, and a few calls. */
static void child_run(struct fuzz_actor *parent, unsigned int nr_calls, bool dies)
{
	struct fuzz_actor a = *parent;
	struct fuzz_process *proc = parent->proc;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	self = &a;
	proc->forked = true;
	close(a.pipe[0]);
	close(a.pipe[1]);
	own_file_close(&a);
	actor_init(&a, proc, proc->index * (FUZZ_THREADS + 1) + FUZZ_THREADS,
		   fuzz_mix(proc->life, fuzz_mix(parent->id, parent->number)));
	while (nr_calls-- && !fuzz->stop)
		fuzz_step(&a);
	if (dies)
		kill(getpid(), SIGKILL);
	_exit(0);
}

/* Starts a child, or if there is one, sees to its end. */
int64_t fuzz_fork(struct fuzz_actor *a)
{
	unsigned int nr_calls = 1 + fuzz_below(a, 12), id = a->proc->index * (FUZZ_THREADS + 1) + FUZZ_THREADS;
	bool dies = fuzz_one_in(a, 4), killed = fuzz_one_in(a, 4);
	pid_t pid = a->proc->child;
	int status = 0;

	if (a->proc->forked)
		return FUZZ_SKIP;
	if (pid < 0 || !atomic_compare_exchange_strong(&a->proc->child, &pid, -1))
		return FUZZ_SKIP;
	fuzz_note(a, pid, nr_calls, dies);
	if (pid) {
		if (killed)
			kill(pid, SIGKILL);
		if (waitpid(pid, &status, 0) != pid ||
		    (WIFSIGNALED(status) ? WTERMSIG(status) != SIGKILL : WEXITSTATUS(status)))
			fuzz_fail(a, "child %d ended with status %x", pid, status);
		fuzz_reaped(id);
		a->proc->child = 0;
		return 0;
	}
	pid = fork();
	if (!pid)
		child_run(a, nr_calls, dies);
	a->proc->child = pid < 0 ? 0 : pid;
	return pid < 0 ? -errno : 0;
}

/* Some lives are root's, some other people's; some in a memory cgroup that goes before the pools that it made. */
static void process_become(struct fuzz_process *proc)
{
	uint64_t random = fuzz_mix(fuzz_mix(fuzz->seed, proc->index), proc->life);
	uid_t uid = (const uid_t[]){ 0, 0, 0, 0, ALICE, BOB }[random % 6];
	char path[64];

	if (random >> 32 & 1) {
		snprintf(path, sizeof(path), "/sys/fs/cgroup/fuzz%u", proc->index);
		mkdir(path, 0755);
		strcat(path, "/cgroup.procs");
		file_write(path, "0");
	}
	proc->root = !uid;
	if (uid && (setgroups(0, NULL) || setresgid(uid, uid, uid) || setresuid(uid, uid, uid)))
		_exit(2);
	prctl(PR_SET_DUMPABLE, 1);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
}

/* A worker: never returns. */
void fuzz_process_run(unsigned int index, uint64_t life)
{
	static struct fuzz_process proc;
	static struct fuzz_actor actors[FUZZ_THREADS];
	struct sigaction action = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_NODEFER };
	const struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };
	pthread_t threads[FUZZ_THREADS];
	struct pinpool_module_info info;
	pid_t child;

	setpgid(0, 0);
	setrlimit(RLIMIT_MEMLOCK, &all);
	sigaction(SIGSEGV, &action, NULL);
	sigaction(SIGBUS, &action, NULL);
	signal(SIGPIPE, SIG_IGN);
	proc.index = index;
	proc.life = life;
	process_become(&proc);
	if (module_info(&info))
		_exit(3);
	proc.features = info.out_features;
	proc.control[0] = control_open(O_RDONLY);
	proc.control[1] = control_open(O_RDWR);
	proc.epoll = epoll_create1(EPOLL_CLOEXEC);
	proc.directory = open("/mnt", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (unsigned int i = 0; i < FUZZ_MAPS; i++)
		pthread_rwlock_init(&proc.maps[i].lock, NULL);

	for (unsigned int i = 0; i < FUZZ_THREADS; i++) {
		struct fuzz_actor *a = &actors[i];

		a->buffer = mmap(NULL, FUZZ_BUFFER + PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		actor_init(a, &proc, index * (FUZZ_THREADS + 1) + i, life);
		if (proc.control[0] < 0 || proc.control[1] < 0 || proc.epoll < 0 || proc.directory < 0 ||
		    a->buffer == MAP_FAILED || mprotect(a->buffer + FUZZ_BUFFER, PAGE, PROT_NONE))
			_exit(3);
	}
	for (unsigned int i = 0; i < FUZZ_THREADS; i++)
		if (pthread_create(&threads[i], NULL, thread_run, &actors[i]))
			_exit(4);
	for (unsigned int i = 0; i < FUZZ_THREADS; i++)
		pthread_join(threads[i], NULL);
	child = proc.child;
	if (child > 0) {
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
	}
	_exit(0);
}
