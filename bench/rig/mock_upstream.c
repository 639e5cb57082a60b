/* mock_upstream: a single-threaded epoll mock of the OpenAI HTTP API, fast enough
 * that it is not what limits a gateway under test.
 *
 *   cc -O2 -o mock_upstream mock_upstream.c
 *   mock_upstream [PORT [PATH FILE]...]   (default 9100, 127.0.0.1 only)
 *
 * POST /v1/chat/completions   JSON answer, or SSE when the body has "stream":true
 * POST PATH                   the events of FILE, an HTTP chunk each, in one write
 * GET  /stats                 {"requests":N,"streams":N,"connections":N,"max_open":N}
 *
 * Latency is chosen by the *model name* in the body, so that any gateway passes it on:
 *   NAME-lat60        wait 60 ms before the (first) byte of the answer
 *   NAME-lat60-gap5   and 5 ms between SSE chunks  (no gap: all chunks in one write)
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { NCHUNK = 30, MAXCONN = 4096, MAXEV = 256 };

typedef struct {
    int fd; uint32_t gen;
    char *in; size_t in_len, in_cap;
    char *out; size_t out_len, out_off, out_cap;
    int busy, stream, usage, next_chunk, want_close, other;
    uint64_t gap_ns;
} conn;
typedef struct { uint64_t due; int slot; uint32_t gen; } timer_ev;
typedef struct { char line[64]; char *answer; size_t len; } other_format;

static conn conns[MAXCONN];
static timer_ev heap[MAXCONN * 2];
static int heap_n, ep, open_now, max_open;
static uint64_t n_req, n_stream, n_conn;
static char *json_resp, *sse_head, *sse_all, *sse_all_usage;
static other_format others[8]; static int n_others;
static size_t json_len, sse_head_len, sse_all_len, sse_all_usage_len;
static char *chunk_s[NCHUNK + 3]; static size_t chunk_l[NCHUNK + 3];

static uint64_t now_ns(void) {
    struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000ull + t.tv_nsec;
}
static void heap_push(uint64_t due, int slot) {
    if (heap_n >= MAXCONN * 2) return;
    int i = heap_n++;
    while (i && heap[(i - 1) / 2].due > due) { heap[i] = heap[(i - 1) / 2]; i = (i - 1) / 2; }
    heap[i] = (timer_ev){due, slot, conns[slot].gen};
}
static timer_ev heap_pop(void) {
    timer_ev top = heap[0], last = heap[--heap_n];
    int i = 0, c;
    while ((c = 2 * i + 1) < heap_n) {
        if (c + 1 < heap_n && heap[c + 1].due < heap[c].due) c++;
        if (heap[c].due >= last.due) break;
        heap[i] = heap[c]; i = c;
    }
    heap[i] = last;
    return top;
}

/* ---------------------------------------------------------------- answers */
static const char *TEXT =
    "The failure comes from the retry loop: each attempt opens a new transaction, but the first one is "
    "never rolled back, so the connection returns to the pool in an aborted state. Wrap the body in a "
    "context manager, roll back on any exception, and only then sleep before the next attempt. I would "
    "also cap the number of attempts at five, add jitter to the delay, and record the final error with "
    "its attempt count so that the dashboard can tell a slow upstream from a broken one. Finally, add a "
    "test that kills the server between the two statements and checks that the pool recovers by itself.";
static const char *HDRS =
    "x-request-id: req_5f1b6d0c9a3e4e8c8d7a2b1c0f9e8d7c\r\nopenai-version: 2020-10-01\r\n"
    "openai-processing-ms: 41\r\nx-ratelimit-limit-requests: 10000\r\nx-ratelimit-remaining-requests: 9999\r\n"
    "x-ratelimit-limit-tokens: 2000000\r\nx-ratelimit-remaining-tokens: 1999600\r\nserver: mock\r\n";
static const char *USAGE =
    "{\"prompt_tokens\":318,\"completion_tokens\":117,\"total_tokens\":435,\"prompt_tokens_details\":"
    "{\"cached_tokens\":0,\"audio_tokens\":0},\"completion_tokens_details\":{\"reasoning_tokens\":0,"
    "\"audio_tokens\":0,\"accepted_prediction_tokens\":0,\"rejected_prediction_tokens\":0}}";

static char *with_length(const char *status, const char *body, size_t *len) {
    char *r; int n = asprintf(&r, "HTTP/1.1 %s\r\ncontent-type: application/json\r\n%scontent-length: %zu\r\n\r\n%s",
                              status, HDRS, strlen(body), body);
    *len = n; return r;
}
static char *te_chunk(const char *payload, size_t *len) {      /* one HTTP chunk holding one SSE event */
    char *r; int n = asprintf(&r, "%zx\r\n%s\r\n", strlen(payload), payload);
    *len = n; return r;
}
static void build_answer(void) {
    char *b;
    if (asprintf(&b, "{\"id\":\"chatcmpl-CkR3xq9mWbF1yTzLh0aVnE7sUd2Pj\",\"object\":\"chat.completion\",\"created\":1763900000,"
        "\"model\":\"gpt-4o-mini-2024-07-18\",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"%s\","
        "\"refusal\":null,\"annotations\":[]},\"logprobs\":null,\"finish_reason\":\"stop\"}],\"usage\":%s,"
        "\"service_tier\":\"default\",\"system_fingerprint\":\"fp_560af6e559\"}", TEXT, USAGE) < 0) exit(2);
    json_resp = with_length("200 OK", b, &json_len); free(b);
}
static void build_events(void) {
    sse_head_len = asprintf(&sse_head, "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n"
                            "cache-control: no-cache\r\n%stransfer-encoding: chunked\r\n\r\n", HDRS);
    const char *pre = "data: {\"id\":\"chatcmpl-CkR3xq9mWbF1yTzLh0aVnE7sUd2Pj\",\"object\":\"chat.completion.chunk\","
        "\"created\":1763900000,\"model\":\"gpt-4o-mini-2024-07-18\",\"service_tier\":\"default\","
        "\"system_fingerprint\":\"fp_560af6e559\",\"choices\":[";
    size_t tl = strlen(TEXT), step = tl / (NCHUNK - 1) + 1;
    for (int i = 0; i < NCHUNK + 3; i++) {
        char *e = NULL; int n = 0;
        if (i == 0) n = asprintf(&e, "%s{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\",\"refusal\":null},\"logprobs\":null,\"finish_reason\":null}]}\n\n", pre);
        else if (i < NCHUNK) {
            size_t at = (i - 1) * step, take = at >= tl ? 0 : (tl - at < step ? tl - at : step);
            n = asprintf(&e, "%s{\"index\":0,\"delta\":{\"content\":\"%.*s\"},\"logprobs\":null,\"finish_reason\":null}]}\n\n", pre, (int)take, TEXT + at);
        } else if (i == NCHUNK) n = asprintf(&e, "%s{\"index\":0,\"delta\":{},\"logprobs\":null,\"finish_reason\":\"stop\"}]}\n\n", pre);
        else if (i == NCHUNK + 1) n = asprintf(&e, "%s],\"usage\":%s}\n\n", pre, USAGE);
        else n = asprintf(&e, "data: [DONE]\n\n");
        if (n < 0) exit(2);
        chunk_s[i] = te_chunk(e, &chunk_l[i]); free(e);
    }
}
static void build_streams(void) {                               /* all events in one write, with and without usage */
    for (int u = 0; u < 2; u++) {
        size_t cap = sse_head_len + 64, off = 0;
        for (int i = 0; i < NCHUNK + 3; i++) cap += chunk_l[i];
        char *a = malloc(cap);
        memcpy(a, sse_head, sse_head_len); off = sse_head_len;
        for (int i = 0; i < NCHUNK + 3; i++) {
            if (i == NCHUNK + 1 && !u) continue;
            memcpy(a + off, chunk_s[i], chunk_l[i]); off += chunk_l[i];
        }
        memcpy(a + off, "0\r\n\r\n", 5); off += 5;
        if (u) { sse_all_usage = a; sse_all_usage_len = off; } else { sse_all = a; sse_all_len = off; }
    }
}
static void build_other(const char *path, const char *file) {   /* a stream of another format */
    static char text[1 << 18];
    FILE *f = fopen(file, "rb"); if (!f) { perror(file); exit(2); }
    size_t n = fread(text, 1, sizeof text - 1, f); fclose(f); text[n] = 0;
    other_format *o = &others[n_others++];
    snprintf(o->line, sizeof o->line, "POST %s", path);
    o->answer = malloc(sse_head_len + 2 * n + 4096);
    memcpy(o->answer, sse_head, sse_head_len); o->len = sse_head_len;
    for (char *at = text, *end; (end = strstr(at, "\n\n")); at = end) {
        size_t l; char kept = end[2], *e;
        end += 2; *end = 0; e = te_chunk(at, &l); *end = kept;
        memcpy(o->answer + o->len, e, l); o->len += l; free(e);
    }
    memcpy(o->answer + o->len, "0\r\n\r\n", 5); o->len += 5;
}

/* ---------------------------------------------------------------- connections */
static void drop(int s) {
    conn *c = &conns[s];
    if (c->fd < 0) return;
    close(c->fd); c->fd = -1; c->gen++; open_now--;
    c->in_len = c->out_len = c->out_off = 0; c->busy = c->want_close = 0;
}
static int put(int s, const char *p, size_t n) {               /* 0 ok, -1 dropped */
    conn *c = &conns[s];
    if (c->out_len == c->out_off) {
        c->out_len = c->out_off = 0;
        ssize_t w = send(c->fd, p, n, MSG_NOSIGNAL);
        if (w < 0) { if (errno != EAGAIN) { drop(s); return -1; } w = 0; }
        p += w; n -= w;
        if (!n) return 0;
        struct epoll_event e = {.events = EPOLLIN | EPOLLOUT, .data.u32 = s};
        epoll_ctl(ep, EPOLL_CTL_MOD, c->fd, &e);
    }
    if (c->out_len + n > c->out_cap) { c->out_cap = c->out_len + n + 65536; c->out = realloc(c->out, c->out_cap); }
    memcpy(c->out + c->out_len, p, n); c->out_len += n;
    return 0;
}
static void parse(int s);
static void finish(int s) {
    conn *c = &conns[s]; c->busy = 0;
    if (c->want_close) { shutdown(c->fd, SHUT_WR); drop(s); return; }
    if (c->in_len) parse(s);
}
static void step(int s) {                                       /* latency or gap elapsed */
    conn *c = &conns[s];
    if (c->other) { other_format *o = &others[c->other - 1]; if (!put(s, o->answer, o->len)) finish(s); return; }
    if (!c->stream) { if (put(s, json_resp, json_len)) return; finish(s); return; }
    if (!c->gap_ns) {
        if (c->usage ? put(s, sse_all_usage, sse_all_usage_len) : put(s, sse_all, sse_all_len)) return;
        finish(s); return;
    }
    if (c->next_chunk == 0) {                                   /* header and first event together */
        char b[4096]; memcpy(b, sse_head, sse_head_len); memcpy(b + sse_head_len, chunk_s[0], chunk_l[0]);
        if (put(s, b, sse_head_len + chunk_l[0])) return;
        c->next_chunk = 1;
    } else if (c->next_chunk < NCHUNK) {
        int i = c->next_chunk++;
        if (put(s, chunk_s[i], chunk_l[i])) return;
    } else {
        if (put(s, chunk_s[NCHUNK], chunk_l[NCHUNK])) return;
        if (c->usage && put(s, chunk_s[NCHUNK + 1], chunk_l[NCHUNK + 1])) return;
        if (put(s, chunk_s[NCHUNK + 2], chunk_l[NCHUNK + 2])) return;
        if (put(s, "0\r\n\r\n", 5)) return;
        finish(s); return;
    }
    heap_push(now_ns() + c->gap_ns, s);
}
static const char *find_header(const char *h, size_t n, const char *name) {
    size_t l = strlen(name);
    for (const char *p = h; p && p + l + 1 < h + n;) {
        if (!strncasecmp(p, name, l) && p[l] == ':') { p += l + 1; while (*p == ' ') p++; return p; }
        p = memchr(p, '\n', h + n - p); if (p) p++;
    }
    return NULL;
}
static long dechunk(char *b, size_t n, size_t *used) {          /* in place; -1 not complete */
    size_t r = 0, w = 0;
    char *probe = n >= 5 ? memmem(b, n, "0\r\n\r\n", 5) : NULL;
    if (!probe) return -1;
    while (r < n) {
        char *e; unsigned long sz = strtoul(b + r, &e, 16);
        char *nl = memchr(b + r, '\n', n - r); (void)e;
        if (!nl) return -1;
        r = nl + 1 - b;
        if (sz == 0) { if (r + 2 > n) return -1; *used = r + 2; return (long)w; }
        if (r + sz + 2 > n) return -1;
        memmove(b + w, b + r, sz); w += sz; r += sz + 2;
    }
    return -1;
}
static void answer_stats(int s) {
    char b[256], o[512];
    int n = snprintf(b, sizeof b, "{\"requests\":%lu,\"streams\":%lu,\"connections\":%lu,\"max_open\":%d}",
                     (unsigned long)n_req, (unsigned long)n_stream, (unsigned long)n_conn, max_open);
    n = snprintf(o, sizeof o, "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s", n, b);
    if (!put(s, o, n)) finish(s);
}
static uint64_t read_request(conn *c, char *body, size_t bl) {  /* what the body asks for; returns the latency */
    uint64_t lat = 0;
    n_req++;
    char *m = bl ? memmem(body, bl, "\"model\"", 7) : NULL;
    if (!m) return 0;
    char *q = memchr(m + 7, '"', body + bl - m - 7), *q2 = q ? memchr(q + 1, '"', body + bl - q - 1) : NULL;
    if (q2) {
        char *p = memmem(q, q2 - q, "-lat", 4); if (p) lat = strtoul(p + 4, NULL, 10) * 1000000ull;
        p = memmem(q, q2 - q, "-gap", 4); if (p) c->gap_ns = strtoul(p + 4, NULL, 10) * 1000000ull;
    }
    char *t = memmem(body, bl, "\"stream\"", 8);
    if (t) { t += 8; while (t < body + bl && (*t == ':' || *t == ' ')) t++; c->stream = t + 4 <= body + bl && !memcmp(t, "true", 4); }
    if (c->stream) { n_stream++; t = memmem(body, bl, "\"include_usage\"", 15); c->usage = t && memmem(t, body + bl - t < 24 ? body + bl - t : 24, "true", 4); }
    return lat;
}
static void parse(int s) {
    conn *c = &conns[s];
    if (c->busy || c->in_len < 16) return;
    char *end = memmem(c->in, c->in_len, "\r\n\r\n", 4);
    if (!end) return;
    size_t hl = end + 4 - c->in, total; char *body = c->in + hl; size_t bl = 0;
    const char *v = find_header(c->in, hl, "content-length");
    if (v) { bl = strtoul(v, NULL, 10); if (c->in_len < hl + bl) return; total = hl + bl; }
    else if ((v = find_header(c->in, hl, "transfer-encoding")) && !strncasecmp(v, "chunked", 7)) {
        /* dechunk works in place, so only try it when the terminator is the end of what was read */
        if (memcmp(c->in + c->in_len - 5, "0\r\n\r\n", 5)) return;
        size_t used; long d = dechunk(body, c->in_len - hl, &used);
        if (d < 0) return;
        bl = d; total = hl + used;
    } else total = hl;
    v = find_header(c->in, hl, "connection");
    c->want_close = v && !strncasecmp(v, "close", 5);
    c->gap_ns = 0; c->stream = c->usage = 0; c->next_chunk = 0; c->busy = 1;
    size_t kept = c->in_len - total;
    if (!memcmp(c->in, "GET ", 4)) {
        memmove(c->in, c->in + total, kept); c->in_len = kept;
        answer_stats(s);
        return;
    }
    c->other = 0;
    for (int i = 0; i < n_others; i++) if (!strncmp(c->in, others[i].line, strlen(others[i].line))) c->other = i + 1;
    uint64_t lat = read_request(c, body, bl);
    memmove(c->in, c->in + total, kept); c->in_len = kept;
    if (lat) heap_push(now_ns() + lat, s); else step(s);
}
static void accept_all(int ls) {
    int fd, one = 1;
    while ((fd = accept4(ls, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        int j = 0; while (j < MAXCONN && conns[j].fd >= 0) j++;
        if (j == MAXCONN) { close(fd); continue; }
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        conns[j].fd = fd; conns[j].gen++; n_conn++;
        if (++open_now > max_open) max_open = open_now;
        struct epoll_event ce = {.events = EPOLLIN, .data.u32 = j};
        epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ce);
    }
}
static void serve(int s, uint32_t events) {
    conn *c = &conns[s];
    if (events & EPOLLOUT) {
        ssize_t w = send(c->fd, c->out + c->out_off, c->out_len - c->out_off, MSG_NOSIGNAL);
        if (w > 0) c->out_off += w;
        if (c->out_off == c->out_len) {
            c->out_len = c->out_off = 0;
            struct epoll_event ce = {.events = EPOLLIN, .data.u32 = s};
            epoll_ctl(ep, EPOLL_CTL_MOD, c->fd, &ce);
        }
    }
    if (!(events & (EPOLLIN | EPOLLHUP | EPOLLERR))) return;
    if (c->in_cap - c->in_len < 16384) { c->in_cap = c->in_cap * 2 + 32768; c->in = realloc(c->in, c->in_cap); }
    ssize_t r = recv(c->fd, c->in + c->in_len, c->in_cap - c->in_len, 0);
    if (r == 0 || (r < 0 && errno != EAGAIN)) { drop(s); return; }
    if (r > 0) { c->in_len += r; parse(s); }
}
int main(int argc, char **argv) {
    int port = argc > 1 ? atoi(argv[1]) : 9100, one = 1;
    signal(SIGPIPE, SIG_IGN);
    build_answer(); build_events(); build_streams();
    for (int i = 2; i + 1 < argc && n_others < 8; i += 2) build_other(argv[i], argv[i + 1]);
    for (int i = 0; i < MAXCONN; i++) conns[i].fd = -1;
    int ls = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    setsockopt(ls, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (bind(ls, (void *)&a, sizeof a) || listen(ls, 1024)) { perror("bind"); return 1; }
    ep = epoll_create1(0);
    struct epoll_event e = {.events = EPOLLIN, .data.u32 = UINT32_MAX};
    epoll_ctl(ep, EPOLL_CTL_ADD, ls, &e);
    struct epoll_event evs[MAXEV];
    for (;;) {
        struct timespec ts, *tp = NULL;
        if (heap_n) {
            uint64_t n = now_ns(), d = heap[0].due > n ? heap[0].due - n : 0;
            ts.tv_sec = d / 1000000000ull; ts.tv_nsec = d % 1000000000ull; tp = &ts;
        }
        int k = epoll_pwait2(ep, evs, MAXEV, tp, NULL);
        if (k < 0 && errno != EINTR) { perror("epoll"); return 1; }
        for (int i = 0; i < k; i++) {
            uint32_t s = evs[i].data.u32;
            if (s == UINT32_MAX) accept_all(ls);
            else if (conns[s].fd >= 0) serve(s, evs[i].events);
        }
        uint64_t n = now_ns();
        while (heap_n && heap[0].due <= n) {
            timer_ev t = heap_pop();
            if (conns[t.slot].fd >= 0 && conns[t.slot].gen == t.gen) step(t.slot);
        }
    }
}
