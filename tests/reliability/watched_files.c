/* Records every change of files below a folder and every POST of this process, and breaks one of them.

   `watch` installs a seccomp filter: from then on each system call that may change a file or a name, or that sends or
   receives on a socket, raises SIGSYS in its own thread, whose handler makes the call, counts and records it. So it
   does not matter which library makes the call, or how: Python, SQLite, Rust, a raw system call. What is mapped into
   memory and changed there is not seen; a test compares the record with the folder. A program that is executed later
   has the filter without the handler, and dies. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <ucontext.h>
#include <unistd.h>

#ifndef __x86_64__
#error "the registers of a system call are read on x86-64 only"
#endif

enum kind { CREATE = 1, WRITE, TRUNCATE, SYNC, SYNC_FOLDER, RENAME, UNLINK, MKDIR, RMDIR, LINK, SYMLINK, HEADER, BODY, ANSWER };
enum { DIES = -1, MOST_SOCKETS = 1 << 16, MOST_COPIED = 1 << 20 };
struct record { uint32_t kind, first, second, reserved; uint64_t inode, offset; };

/* The one place whose system calls the filter lets pass; the result is negative for an error. */
long call(long number, ...);
extern char call_end[];
__asm__(
    ".text\n.globl call\n.type call, @function\ncall:\n"
    "mov %rdi, %rax\nmov %rsi, %rdi\nmov %rdx, %rsi\nmov %rcx, %rdx\nmov %r8, %r10\nmov %r9, %r8\nmov 8(%rsp), %r9\n"
    "syscall\n.globl call_end\ncall_end:\nret\n");

static const int TRAPPED[] = {
    SYS_open, SYS_openat, SYS_creat, SYS_write, SYS_pwrite64, SYS_writev, SYS_pwritev, SYS_ftruncate, SYS_truncate,
    SYS_fallocate, SYS_fsync, SYS_fdatasync, SYS_rename, SYS_renameat, SYS_renameat2, SYS_unlink, SYS_unlinkat,
    SYS_rmdir, SYS_mkdir, SYS_mkdirat, SYS_link, SYS_linkat, SYS_symlink, SYS_symlinkat, SYS_sendfile,
    SYS_copy_file_range, SYS_sendto, SYS_recvfrom,
};
enum { N_TRAPPED = sizeof TRAPPED / sizeof *TRAPPED };

static int watching, journal, fault;
static long number, broken;
static char root[PATH_MAX];
static size_t root_length;
static unsigned char request[MOST_SOCKETS]; /* of each socket. 0: none, 1: its header was sent, 2: its body too */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static int below(const char *path) {
    return !strncmp(path, root, root_length) && (path[root_length] == '/' || !path[root_length]);
}

/* Whether `name` is below the watched folder, and its absolute path, with links in its parents resolved. */
static int located(int folder, const char *name, char *path) {
    char given[2 * PATH_MAX], parent[2 * PATH_MAX], real[PATH_MAX];
    if (!name || !*name) return 0;
    if (*name == '/' || folder == AT_FDCWD) snprintf(given, sizeof given, "%s", name);
    else snprintf(given, sizeof given, "/proc/self/fd/%d/%s", folder, name);
    for (size_t end = strlen(given); end > 1 && given[end - 1] == '/';) given[--end] = 0;
    char *slash = strrchr(given, '/');
    if (slash == given) return 0;
    snprintf(parent, sizeof parent, "%.*s", slash ? (int)(slash - given) : 1, slash ? given : ".");
    if (!realpath(parent, real)) return 0;
    int length = snprintf(path, PATH_MAX, "%s/%s", real, slash ? slash + 1 : given);
    return length < PATH_MAX && below(path);
}

/* Whether a descriptor is of a file (or folder) below the watched folder, its inode and its path. */
static int held(int descriptor, mode_t type, uint64_t *inode, char *path) {
    struct stat about;
    char link[64];
    if (fstat(descriptor, &about) || (about.st_mode & S_IFMT) != type) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link, path, PATH_MAX - 1);
    if (length < 0) return 0;
    path[length] = 0, *inode = about.st_ino;
    return below(path);
}

static int exists(const char *path) {
    struct stat about;
    return !lstat(path, &about);
}

/* Count an operation, and return whether it fails. */
static int fails(void) {
    if (++number != broken) return 0;
    while (fault == DIES) call(SYS_kill, (long)watching, (long)SIGKILL);
    return 1;
}

static void put(const void *data, size_t length) {
    for (const char *at = data; length;) {
        long written = call(SYS_write, (long)journal, at, length);
        if (written < 0) _exit(113);
        at += written, length -= written;
    }
}

static void note(enum kind kind, uint64_t inode, uint64_t offset, const char *path, const void *more, size_t length) {
    struct record record = {kind, path ? strlen(path) : 0, length, 0, inode, offset};
    put(&record, sizeof record), put(path, record.first), put(more, length);
}

/* Make a call, unless it is an operation that fails. */
#define MAKE(watched, made) ((watched) && fails() ? -(long)fault : (made))

static long opened(int folder, const char *name, long flags, long mode) {
    char path[PATH_MAX];
    struct stat about;
    int creates = 0, empties = 0;
    if (flags & (O_CREAT | O_TRUNC) && (flags & O_TMPFILE) != O_TMPFILE && located(folder, name, path)) {
        int there = !stat(path, &about);
        creates = flags & O_CREAT && !there && !exists(path);
        empties = flags & O_TRUNC && !(flags & O_EXCL) && there && about.st_size;
    }
    long result = MAKE(creates || empties, call(SYS_openat, (long)folder, name, flags, mode));
    if (result >= 0 && (creates || empties)) {
        fstat(result, &about);
        note(creates ? CREATE : TRUNCATE, about.st_ino, 0, creates ? path : NULL, NULL, 0);
    }
    return result;
}

static long written(int descriptor, const void *data, size_t length, off_t offset) {
    char path[PATH_MAX];
    uint64_t inode;
    int watched = length && held(descriptor, S_IFREG, &inode, path);
    long result = MAKE(watched, offset < 0 ? call(SYS_write, (long)descriptor, data, length)
                                           : call(SYS_pwrite64, (long)descriptor, data, length, offset));
    if (watched && result > 0) {
        off_t at = offset < 0 ? lseek(descriptor, 0, SEEK_CUR) - result : offset;
        note(WRITE, inode, at, NULL, data, result);
    }
    return result;
}

static long gathered(int descriptor, const struct iovec *parts, int count, off_t offset) {
    size_t length = 0;
    for (int i = 0; i < count; i++) length += parts[i].iov_len;
    char *all = malloc(length + 1), *at = all;
    for (int i = 0; i < count; at += parts[i++].iov_len) memcpy(at, parts[i].iov_base, parts[i].iov_len);
    long result = written(descriptor, all, length, offset);
    free(all);
    return result;
}

/* A copy within the kernel becomes a read and a write. */
static long copied(int from, off_t *offset, int to, size_t length) {
    size_t most = length < MOST_COPIED ? length : MOST_COPIED;
    char *data = malloc(most + 1);
    long got = offset ? call(SYS_pread64, (long)from, data, most, *offset) : call(SYS_read, (long)from, data, most);
    long result = got > 0 ? written(to, data, got, -1) : got;
    if (result > 0 && offset) *offset += result;
    free(data);
    return result;
}

static long shortened(int descriptor, off_t length) {
    char path[PATH_MAX];
    uint64_t inode;
    struct stat about;
    int watched = held(descriptor, S_IFREG, &inode, path) && !fstat(descriptor, &about) && about.st_size != length;
    long result = MAKE(watched, call(SYS_ftruncate, (long)descriptor, length));
    if (watched && !result) note(TRUNCATE, inode, length, NULL, NULL, 0);
    return result;
}

static long shortened_by_name(const char *name, off_t length) {
    long descriptor = call(SYS_openat, (long)AT_FDCWD, name, (long)O_WRONLY | O_CLOEXEC, 0L);
    if (descriptor < 0) return descriptor;
    long result = shortened(descriptor, length);
    call(SYS_close, descriptor);
    return result;
}

static long synced(long kind, int descriptor) {
    char path[PATH_MAX];
    uint64_t inode;
    int file = held(descriptor, S_IFREG, &inode, path), folder = !file && held(descriptor, S_IFDIR, &inode, path);
    long result = MAKE(file || folder, file || folder ? 0 : call(kind, (long)descriptor));
    if (!result && (file || folder)) note(file ? SYNC : SYNC_FOLDER, inode, 0, folder ? path : NULL, NULL, 0);
    return result;
}

static long moved(int from, const char *old, int to, const char *new, long flags) {
    char before[PATH_MAX], after[PATH_MAX];
    int watched = located(from, old, before) && located(to, new, after) && exists(before);
    long result = MAKE(watched, call(SYS_renameat2, (long)from, old, (long)to, new, flags));
    if (watched && !result) note(RENAME, 0, 0, before, after, strlen(after));
    return result;
}

static long removed(int folder, const char *name, long flags) {
    char path[PATH_MAX];
    int watched = located(folder, name, path) && exists(path);
    long result = MAKE(watched, call(SYS_unlinkat, (long)folder, name, flags));
    if (watched && !result) note(flags & AT_REMOVEDIR ? RMDIR : UNLINK, 0, 0, path, NULL, 0);
    return result;
}

static long made(int folder, const char *name, long mode) {
    char path[PATH_MAX];
    int watched = located(folder, name, path) && !exists(path);
    long result = MAKE(watched, call(SYS_mkdirat, (long)folder, name, mode));
    if (watched && !result) note(MKDIR, 0, 0, path, NULL, 0);
    return result;
}

static long linked(int from, const char *old, int to, const char *new, long flags) {
    char before[PATH_MAX], after[PATH_MAX];
    int watched = located(from, old, before) && located(to, new, after);
    long result = MAKE(watched, call(SYS_linkat, (long)from, old, (long)to, new, flags));
    if (watched && !result) note(LINK, 0, 0, before, after, strlen(after));
    return result;
}

static long pointed(const char *target, int folder, const char *name) {
    char path[PATH_MAX];
    int watched = located(folder, name, path);
    long result = MAKE(watched, call(SYS_symlinkat, target, (long)folder, name));
    if (watched && !result) note(SYMLINK, 0, 0, path, target, strlen(target));
    return result;
}

/* Header and body of an HTTP request other than GET and HEAD are operations, and the first reading of its answer. */
static int is_change(const char *data, size_t length) {
    static const char *const methods[] = {"POST ", "PUT ", "PATCH ", "DELETE "};
    for (int i = 0; i < 4; i++)
        if (length > strlen(methods[i]) && !memcmp(data, methods[i], strlen(methods[i]))) return 1;
    return 0;
}

/* A connection that fails stays broken. */
static long lost(int socket) {
    call(SYS_shutdown, (long)socket, (long)SHUT_RDWR);
    return -(long)fault;
}

static long sent(int socket, const void *data, size_t length, long flags, const void *address, long size) {
    int known = socket >= 0 && socket < MOST_SOCKETS, header = known && is_change(data, length);
    int watched = header || (known && request[socket] == 1);
    if (watched) request[socket] = header ? 1 : 2;
    if (watched && fails()) return lost(socket);
    long result = call(SYS_sendto, (long)socket, data, length, flags, address, size);
    const char *end = header ? memchr(data, '\r', length) : NULL;
    if (watched && result > 0) note(header ? HEADER : BODY, socket, 0, NULL, data, end ? end - (const char *)data : 0);
    return result;
}

/* Count the reading of an answer; nonzero: it fails. It may wait, so that the lock is not held during the call. */
static long answered(int socket) {
    if (socket < 0 || socket >= MOST_SOCKETS || !request[socket]) return 0;
    request[socket] = 0;
    if (fails()) return lost(socket);
    note(ANSWER, socket, 0, NULL, NULL, 0);
    return 0;
}

static long made_call(long kind, long a, long b, long c, long d, long e, long f) {
    const char *first = (const char *)a, *second = (const char *)b;
    switch (kind) {
        case SYS_open: return opened(AT_FDCWD, first, b, c);
        case SYS_openat: return opened(a, second, c, d);
        case SYS_creat: return opened(AT_FDCWD, first, O_CREAT | O_WRONLY | O_TRUNC, b);
        case SYS_write: return written(a, second, c, -1);
        case SYS_pwrite64: return written(a, second, c, d);
        case SYS_writev: return gathered(a, (const struct iovec *)b, c, -1);
        case SYS_pwritev: return gathered(a, (const struct iovec *)b, c, d);
        case SYS_ftruncate: return shortened(a, b);
        case SYS_truncate: return shortened_by_name(first, b);
        case SYS_fallocate: return -EOPNOTSUPP; /* programs then write zeros, or do without */
        case SYS_fsync: case SYS_fdatasync: return synced(kind, a);
        case SYS_rename: return moved(AT_FDCWD, first, AT_FDCWD, second, 0);
        case SYS_renameat: return moved(a, second, c, (const char *)d, 0);
        case SYS_renameat2: return moved(a, second, c, (const char *)d, e);
        case SYS_unlink: return removed(AT_FDCWD, first, 0);
        case SYS_unlinkat: return removed(a, second, c);
        case SYS_rmdir: return removed(AT_FDCWD, first, AT_REMOVEDIR);
        case SYS_mkdir: return made(AT_FDCWD, first, b);
        case SYS_mkdirat: return made(a, second, c);
        case SYS_link: return linked(AT_FDCWD, first, AT_FDCWD, second, 0);
        case SYS_linkat: return linked(a, second, c, (const char *)d, e);
        case SYS_symlink: return pointed(first, AT_FDCWD, second);
        case SYS_symlinkat: return pointed(first, b, (const char *)c);
        case SYS_sendfile: return copied(b, (off_t *)c, a, d);
        case SYS_copy_file_range: return -EXDEV; /* programs then read and write */
        case SYS_sendto: return sent(a, second, c, d, (const void *)e, f);
        default: return -ENOSYS;
    }
}

static void on_call(int signal, siginfo_t *info, void *context) {
    (void)signal;
    greg_t *r = ((ucontext_t *)context)->uc_mcontext.gregs;
    long kind = info->si_syscall, a = r[REG_RDI], b = r[REG_RSI], c = r[REG_RDX], d = r[REG_R10], e = r[REG_R8], f = r[REG_R9];
    int error = errno, watched = watching == getpid(); /* a forked process is not watched */
    if (!watched) r[REG_RAX] = call(kind, a, b, c, d, e, f);
    else {
        pthread_mutex_lock(&lock);
        long result = kind == SYS_recvfrom ? answered(a) : made_call(kind, a, b, c, d, e, f);
        pthread_mutex_unlock(&lock);
        r[REG_RAX] = kind == SYS_recvfrom && !result ? call(kind, a, b, c, d, e, f) : result;
    }
    errno = error;
}

static int install(void) {
    enum { ALLOW = N_TRAPPED + 3 };
    uint64_t begin = (uint64_t)(uintptr_t)&call, end = (uint64_t)(uintptr_t)call_end;
    struct sock_filter filter[N_TRAPPED + 16];
    int n = 0;
    if (begin >> 32 != end >> 32) return -1;
    filter[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch));
    filter[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 0, ALLOW - 2);
    filter[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    for (int i = 0; i < N_TRAPPED; i++)
        filter[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, TRAPPED[i], N_TRAPPED - i, 0);
    filter[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    filter[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, instruction_pointer) + 4);
    filter[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, begin >> 32, 0, 4);
    filter[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, instruction_pointer));
    filter[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, (uint32_t)begin, 0, 2);
    filter[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, (uint32_t)end, 1, 0);
    filter[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    filter[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP);
    struct sock_fprog program = {n, filter};
    struct sigaction action = {.sa_sigaction = on_call, .sa_flags = SA_SIGINFO | SA_NODEFER};
    if (sigaction(SIGSYS, &action, NULL) || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) return -1;
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

/* Watch this process: changes below `folder` go to the file `path`. Operation `nth` (counted from 1; 0: none) fails
   with the error `error`; if that is -1, the process dies in its place. Returns 0, or -1 if the system has no seccomp. */
int watch(const char *folder, const char *path, long nth, int error) {
    if (!realpath(folder, root)) return -1;
    int descriptor = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (descriptor < 0) return -1;
    journal = fcntl(descriptor, F_DUPFD_CLOEXEC, 900); /* no number that the process counts on */
    close(descriptor);
    root_length = strlen(root), broken = nth, fault = error, watching = getpid();
    return install();
}
