#include "lib/base/process.h"

#include "lib/base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	GRACE_MS      = 500,      /* between TERM and KILL                                                */
	GONE_MS       = 2000,     /* after KILL: only a process stuck in the kernel takes longer          */
	BLIND_WAIT_MS = 20,       /* between looks at the child where the kernel has no pidfd             */
	READ_BYTES    = 65536,
	FD_SCAN_MAX   = 65536,    /* descriptors looked at one by one where the kernel has no close_range */
};

/* What the child tells when it could not become the program. */
struct start_fault { int is_folder, code; };

enum { OUT, ERRORS, START, CHILD, WATCHED };    /* what run() polls */

struct run {
	const struct process *process;
	struct buf           *sink[2];
	struct pollfd         watched[WATCHED];
	struct start_fault    fault;
	size_t                fault_len;
	pid_t                 pid;
	enum status           st;           /* why it was ended before its time */
	bool                  is_over;      /* exited, not reaped: the pid is still ours to signal */
};

static const char *const clean_env[] = {
	"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8", NULL,
};

static void close_end(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* Off 0, 1 and 2: the child puts its own there, and a daemon may run with them closed. */
static int lift(int fd)
{
	if (fd < 0 || fd > STDERR_FILENO)
		return fd;
	const int lifted = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	close(fd);
	return lifted;
}

static bool pipe_open(int ends[2])
{
	if (pipe2(ends, O_CLOEXEC) != 0)
		return false;
	ends[0] = lift(ends[0]);
	ends[1] = lift(ends[1]);
	return ends[0] >= 0 && ends[1] >= 0 && fcntl(ends[0], F_SETFL, O_NONBLOCK) == 0;
}

/* Standard input as a memory file: nothing to pump, no SIGPIPE, and a secret never touches a disk. */
static int input_open(struct view input)
{
	if (input.len == 0)
		return lift(open("/dev/null", O_RDONLY | O_CLOEXEC));

	int fd = lift(memfd_create("input", MFD_CLOEXEC));
	while (fd >= 0 && input.len > 0) {
		const ssize_t n = write(fd, input.ptr, input.len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			close_end(&fd);
			break;
		}
		input.ptr += n;
		input.len -= (size_t) n;
	}
	if (fd >= 0 && lseek(fd, 0, SEEK_SET) != 0)
		close_end(&fd);
	return fd;
}

/* Nothing of ours goes along, whatever other code opened without O_CLOEXEC. */
static void shut_descriptors(unsigned most)
{
	if (syscall(SYS_close_range, STDERR_FILENO + 1U, ~0U, 4U /* CLOSE_RANGE_CLOEXEC */) == 0)
		return;
	for (unsigned fd = STDERR_FILENO + 1U; fd < most; fd++)
		fcntl((int) fd, F_SETFD, FD_CLOEXEC);
}

/*
 * The child, up to exec.  NOTE: other threads of the parent may have held any lock at the fork, so only calls that are
 * safe in a signal handler: no allocation, no stdio, no error value.
 */
static _Noreturn void become(const struct process *process, const int stdio[3], int start_fd, pid_t parent, unsigned most)
{
	const union { const char *const *in; char *const *out; }
		argv = { process->argv }, env = { process->env != NULL ? process->env : clean_env };
	struct sigaction normal = { .sa_handler = SIG_DFL };
	struct start_fault fault = { 0 };
	sigset_t none;

	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(127);                       /* it died before we asked to die with it */
	for (int sig = 1; sig < NSIG; sig++)
		sigaction(sig, &normal, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	umask(077);

	for (int fd = 0; fd < 3; fd++)
		dup2(stdio[fd], fd);
	shut_descriptors(most);
	if (chdir(process->dir != NULL ? process->dir : "/") != 0)
		fault.is_folder = 1;
	else
		execve(argv.in[0], argv.out, env.out);
	fault.code = errno;
	IGNORE(write(start_fd, &fault, sizeof fault));
	_exit(127);
}

static pid_t start(const struct process *process, const int stdio[3], int start_fd)
{
	struct rlimit limit = { .rlim_cur = FD_SCAN_MAX };
	sigset_t      all, before;
	const pid_t   parent = getpid();

	getrlimit(RLIMIT_NOFILE, &limit);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);      /* no handler of ours may run in the child */
	const pid_t pid = fork();
	if (pid == 0)
		become(process, stdio, start_fd, parent, limit.rlim_cur < FD_SCAN_MAX ? (unsigned) limit.rlim_cur : FD_SCAN_MAX);
	const int code = errno;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (pid > 0)
		setpgid(pid, pid);                        /* both do it: whoever is first */
	errno = code;
	return pid;
}

/* Read what is there.  False at the end of the stream or when the program must be ended. */
static bool drain(struct run *run, int which)
{
	char       dropped[4096];
	struct buf *sink = run->sink[which];

	for (;;) {
		const size_t left = sink != NULL ? sink->max - sink->len : 0;
		const size_t want = left < READ_BYTES ? left : READ_BYTES;
		char        *to = want > 0 ? buf_room(sink, want, NULL) : dropped;
		if (to == NULL) {
			run->st = ST_NO_MEMORY;
			return false;
		}
		const ssize_t n = read(run->watched[which].fd, to, want > 0 ? want : sizeof dropped);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 && errno == EAGAIN;
		if (want > 0) {
			sink->len += (size_t) n;
			sink->data[sink->len] = '\0';
		} else if (which == OUT && sink != NULL) {
			run->st = ST_TOO_LARGE;
			return false;
		}
		if (deadline_past(run->process->deadline_ns))     /* a program that never stops writing */
			return true;
	}
}

static bool drain_start(struct run *run)
{
	char         *to = (char *) &run->fault + run->fault_len;
	const ssize_t n = read(run->watched[START].fd, to, sizeof run->fault - run->fault_len);

	if (n > 0)
		run->fault_len += (size_t) n;
	return n < 0 && (errno == EAGAIN || errno == EINTR);
}

static void look_at_child(struct run *run)
{
	siginfo_t info = { 0 };

	if (waitid(P_PID, (id_t) run->pid, &info, WEXITED | WNOHANG | WNOWAIT) != 0 ? errno != EINTR : info.si_pid != 0)
		run->is_over = true;
}

/* Poll until the child has exited, was found guilty, or the deadline passes. */
static void attend(struct run *run, int64_t deadline_ns)
{
	while (!run->is_over && !deadline_past(deadline_ns)) {
		int wait_ms = deadline_left_ms(deadline_ns);
		if (run->watched[CHILD].fd < 0 && wait_ms > BLIND_WAIT_MS)
			wait_ms = BLIND_WAIT_MS;
		if (poll(run->watched, WATCHED, wait_ms) < 0 && errno != EINTR) {
			run->st = ST_INTERNAL;
			return;
		}
		for (int i = OUT; i <= START; i++) {
			struct pollfd *at = &run->watched[i];
			if (at->fd >= 0 && at->revents != 0 && !(i == START ? drain_start(run) : drain(run, i)))
				close_end(&at->fd);
		}
		if (run->st != ST_OK)
			return;
		look_at_child(run);
	}
}

/* End the group if the child still runs, then reap the child. */
static int finish(struct run *run)
{
	int64_t patience_ns = deadline_in_ms(GRACE_MS);
	int     status = 0;
	pid_t   reaped;

	if (!run->is_over) {
		const enum status why = run->st;
		kill(-run->pid, SIGTERM);
		close_end(&run->watched[OUT].fd);
		run->st = ST_OK;
		attend(run, patience_ns);
		run->st = why;
	}
	kill(-run->pid, SIGKILL);         /* also what it left behind in its group */
	patience_ns = deadline_in_ms(GONE_MS);
	while ((reaped = waitpid(run->pid, &status, WNOHANG)) == 0 && !deadline_past(patience_ns))
		poll(&run->watched[CHILD], 1, BLIND_WAIT_MS);
	if (reaped != run->pid && run->st == ST_OK)
		run->st = ST_INTERNAL;
	return status;
}

static enum status judge(const struct run *run, int status, int *ret_exit, struct error *err)
{
	const char *program = run->process->argv[0];

	if (run->fault_len == sizeof run->fault) {
		const enum status st = run->fault.code == ENOENT && !run->fault.is_folder ? ST_NOT_FOUND : ST_INTERNAL;
		return fail(err, st, "could not run \"%s\": %s%s", program, run->fault.is_folder ? "working directory: " : "",
		            strerror(run->fault.code));
	}
	switch (run->st) {
	case ST_OK:
		*ret_exit = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
		return ST_OK;
	case ST_DEADLINE:
		return fail(err, ST_DEADLINE, "\"%s\" did not end in time", program);
	case ST_TOO_LARGE:
		return fail(err, ST_TOO_LARGE, "\"%s\" wrote more than %zu bytes", program, run->sink[OUT]->max);
	case ST_NO_MEMORY:
		return fail(err, ST_NO_MEMORY, "out of memory");
	default:
		return fail(err, ST_INTERNAL, "could not wait for \"%s\"", program);
	}
}

enum status process_run(const struct process *process, struct buf *out, struct buf *errors, int *ret_exit,
                        struct error *err)
{
	struct run run = { .process = process, .sink = { out, errors } };
	int ends[3][2] = { { -1, -1 }, { -1, -1 }, { -1, -1 } };        /* by OUT, ERRORS, START */
	int input = input_open(process->input), code, status = 0;

	run.pid = -1;
	if (input >= 0 && pipe_open(ends[OUT]) && pipe_open(ends[ERRORS]) && pipe_open(ends[START]))
		run.pid = start(process, (const int[3]) { input, ends[OUT][1], ends[ERRORS][1] }, ends[START][1]);
	code = errno;
	close_end(&input);
	for (int i = OUT; i <= START; i++) {
		run.watched[i] = (struct pollfd) { ends[i][0], POLLIN, 0 };
		close_end(&ends[i][1]);
	}
	run.watched[CHILD] = (struct pollfd) { -1, POLLIN, 0 };

	if (run.pid > 0) {
		run.watched[CHILD].fd = (int) syscall(SYS_pidfd_open, run.pid, 0);
		attend(&run, process->deadline_ns);
		if (!run.is_over && run.st == ST_OK)
			run.st = ST_DEADLINE;
		status = finish(&run);
		for (int i = OUT; i <= ERRORS; i++)
			if (run.watched[i].fd >= 0 && run.st == ST_OK)
				(void) drain(&run, i);          /* what it wrote just before its end */
		if (run.watched[START].fd >= 0)
			(void) drain_start(&run);
	}
	for (int i = OUT; i <= CHILD; i++)
		close_end(&run.watched[i].fd);
	if (run.pid <= 0)
		return fail(err, ST_INTERNAL, "could not run \"%s\": %s", process->argv[0], strerror(code));
	return judge(&run, status, ret_exit, err);
}
