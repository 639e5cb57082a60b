/* sse_load: streaming load; measures time to the first SSE event and to the end of the stream.
 *
 *   cc -O2 -o sse_load sse_load.c
 *   sse_load HOST PORT PATH BODY_FILE CONC TOTAL [HEADER...]
 *
 * Keeps CONC streams open until TOTAL have ended; prints one JSON line. A stream is good when the
 * status is 200 and the last event of a chat, Responses or messages stream arrived. "content" events are
 * counted, so that dropped or merged events show. One keep-alive connection per slot; it is reopened when the server closes it.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

typedef struct { int fd, first, done_seen, head; uint64_t t0; char *buf; size_t n, cap, scan; double ttft; } slot;
static double *ttft, *total; static long n_ok, n_bad, n_started, n_target, n_events, n_reconn;
static const char *LAST[] = {"data: [DONE]", "event: response.completed", "event: message_stop"};
static char *req; static size_t req_len; static struct sockaddr_in addr; static int ep;

static uint64_t now_ns(void) { struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t); return (uint64_t)t.tv_sec * 1000000000ull + t.tv_nsec; }
static int cmp(const void *a, const void *b) { double x = *(double *)a, y = *(double *)b; return x < y ? -1 : x > y; }
static void conn_open(slot *s, int i) {
    int one = 1;
    s->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(s->fd, (void *)&addr, sizeof addr)) { perror("connect"); exit(1); }
    setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    struct epoll_event e = {.events = EPOLLIN, .data.u32 = i};
    epoll_ctl(ep, EPOLL_CTL_ADD, s->fd, &e);
}
static int begin(slot *s) {
    if (n_started >= n_target) return 0;
    n_started++;
    s->first = s->done_seen = s->head = 0; s->n = s->scan = 0; s->t0 = now_ns();
    return send(s->fd, req, req_len, MSG_NOSIGNAL) == (ssize_t)req_len ? 1 : -1;
}
static void build_request(char **argv, int argc) {
    FILE *f = fopen(argv[4], "rb"); if (!f) { perror("body"); exit(2); }
    static char body[1 << 20]; size_t bl = fread(body, 1, sizeof body, f); fclose(f);
    req = malloc(bl + 8192);
    req_len = sprintf(req, "POST %s HTTP/1.1\r\nhost: %s:%s\r\ncontent-type: application/json\r\naccept: text/event-stream\r\n", argv[3], argv[1], argv[2]);
    for (int i = 7; i < argc; i++) req_len += sprintf(req + req_len, "%s\r\n", argv[i]);
    req_len += sprintf(req + req_len, "content-length: %zu\r\n\r\n", bl);
    memcpy(req + req_len, body, bl); req_len += bl;
}
static void look(slot *s, int *ended, int *bad) {               /* what the bytes so far say */
    s->buf[s->n] = 0;
    if (!s->head && s->n > 12) {
        s->head = 1;
        if (memcmp(s->buf + 9, "200", 3)) { if (!n_bad) fprintf(stderr, "%.300s\n", s->buf); *bad = *ended = 1; }
    }
    if (!s->first && memmem(s->buf, s->n, "data: {", 7)) { s->first = 1; s->ttft = (now_ns() - s->t0) / 1e6; }
    size_t from = s->scan > 64 ? s->scan - 64 : 0;
    for (int i = 0; i < 3 && !s->done_seen; i++) s->done_seen = memmem(s->buf + from, s->n - from, LAST[i], strlen(LAST[i])) != NULL;
    s->scan = s->n;
    if (s->done_seen && s->n >= 5 && !memcmp(s->buf + s->n - 5, "0\r\n\r\n", 5)) *ended = 1;
}
static int on_readable(slot *s, int i) {                        /* 1 when the slot has no more streams to open */
    if (s->cap - s->n < 32768) { s->cap *= 2; s->buf = realloc(s->buf, s->cap); }
    ssize_t r = recv(s->fd, s->buf + s->n, s->cap - s->n - 1, 0);
    int ended = 0, bad = 0;
    if (r <= 0) { ended = 1; bad = !s->done_seen; }
    else { s->n += r; look(s, &ended, &bad); }
    if (!ended) return 0;
    if (!bad && s->first) {
        char *p = s->buf; while ((p = memmem(p, s->buf + s->n - p, "data: {", 7))) { n_events++; p += 7; }
        ttft[n_ok] = s->ttft; total[n_ok] = (now_ns() - s->t0) / 1e6; n_ok++;
    } else n_bad++;
    if (r <= 0 || bad) { close(s->fd); n_reconn++; if (n_started < n_target) conn_open(s, i); }
    int b = begin(s); if (b < 0) n_bad++;
    return b <= 0;
}
static int report(double secs) {
    if (!n_ok) { printf("{\"ok\":0,\"bad\":%ld}\n", n_bad); return 1; }
    qsort(ttft, n_ok, sizeof *ttft, cmp); qsort(total, n_ok, sizeof *total, cmp);
    printf("{\"ok\":%ld,\"bad\":%ld,\"reconnects\":%ld,\"events_per_stream\":%.2f,\"streams_per_s\":%.2f,\"events_per_s\":%.1f,"
           "\"ttft_p50_ms\":%.4f,\"ttft_p90_ms\":%.4f,\"ttft_p99_ms\":%.4f,\"total_p50_ms\":%.4f,\"total_p99_ms\":%.4f}\n",
           n_ok, n_bad, n_reconn, (double)n_events / n_ok, n_ok / secs, n_events / secs, ttft[n_ok / 2], ttft[(long)(n_ok * .9)], ttft[(long)(n_ok * .99)],
           total[n_ok / 2], total[(long)(n_ok * .99)]);
    return n_bad ? 1 : 0;
}
int main(int argc, char **argv) {
    if (argc < 7) { fprintf(stderr, "usage: sse_load HOST PORT PATH BODY_FILE CONC TOTAL [HEADER...]\n"); return 2; }
    int conc = atoi(argv[5]), live = 0; n_target = atol(argv[6]);
    addr.sin_family = AF_INET; addr.sin_port = htons(atoi(argv[2])); inet_pton(AF_INET, argv[1], &addr.sin_addr);
    build_request(argv, argc);
    ttft = calloc(n_target + 1, sizeof *ttft); total = calloc(n_target + 1, sizeof *total);
    slot *sl = calloc(conc, sizeof *sl); ep = epoll_create1(0);
    uint64_t t0 = now_ns();
    for (int i = 0; i < conc; i++) { sl[i].cap = 1 << 18; sl[i].buf = malloc(sl[i].cap); conn_open(&sl[i], i); if (begin(&sl[i]) > 0) live++; }
    struct epoll_event ev[64];
    while (live) {
        int k = epoll_wait(ep, ev, 64, 20000);
        if (k <= 0) { fprintf(stderr, "timeout\n"); n_bad += live; break; }
        for (int q = 0; q < k; q++) live -= on_readable(&sl[ev[q].data.u32], ev[q].data.u32);
    }
    return report((now_ns() - t0) / 1e9);
}
