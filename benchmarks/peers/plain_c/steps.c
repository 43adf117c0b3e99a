/* ENC, HEAD and MIXED in plain C, float32: one loop over memory a gate, forward, and back with state and co-state undone.
 *
 * A chunk holds 8 samples, which are the innermost index, so that every gate vectorises whatever its qubits. Each thread
 * has its own chunks. Bit q of an amplitude's index is qubit q. MIXED is complex: real and imaginary parts lie in two
 * arrays. ENC and HEAD have real amplitudes, and only the gates FLIP and TURN_Y.
 */

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define LANES 8
typedef float vec __attribute__((vector_size(4 * LANES)));

enum kind { FLIP, TURN_X, TURN_Y, TURN_Z, PHASE, HADAMARD, SWAP, TURN_XX, TURN_YY, TURN_ZZ };

/* A gate on `qubit`, where `control` is 1 (-1: everywhere). SWAP and rotations of two qubits have `other`. `angle` is a
 * row of the chunk's angles. */
struct gate { int kind, qubit, control, other, angle; };

struct state { vec *re, *im; };

static int is_diagonal(const struct gate *gate) {
    return gate->kind == TURN_Z || gate->kind == PHASE || gate->kind == TURN_ZZ;
}

static int is_on_two(const struct gate *gate) { return gate->kind >= SWAP; }

/* Rows of a gate's pairs: all with qubit 0 where the gate acts. A diagonal gate has one row instead of two. */
#define EACH_ROW(body) \
    for (long block = 0; block < rows; block += step) \
        for (long row = block; row < block + half; row++) { \
            if ((row & need) != need) continue; \
            body \
        }

#define PLACES \
    const long half = is_diagonal(gate) ? rows : 1L << gate->qubit, step = is_diagonal(gate) ? rows : 2 * half; \
    const long other = is_on_two(gate) ? 1L << gate->other : 0, mask = 1L << gate->qubit | other; \
    const long need = (gate->control < 0 ? 0 : 1L << gate->control) | (gate->kind == SWAP ? other : 0) \
        | (gate->kind == PHASE ? 1L << gate->qubit : 0);

/* 1 or -1: of Z, Z Z, or of Y Y between a row and its partner. */
static float sign(const struct gate *gate, long row) {
    int odd = __builtin_popcountl(row & (1L << gate->qubit | (is_on_two(gate) ? 1L << gate->other : 0))) & 1;
    return odd == (gate->kind == TURN_YY) ? 1 : -1;
}

/* Apply a gate of real amplitudes. c and s belong to half the angle. */
static void apply_real(vec *a, long rows, const struct gate *gate, vec c, vec s) {
    PLACES
    (void)mask;
    if (gate->kind == FLIP) EACH_ROW(vec held = a[row]; a[row] = a[row + half]; a[row + half] = held;)
    else EACH_ROW(
        vec x = a[row]; vec y = a[row + half];
        a[row] = c * x - s * y; a[row + half] = s * x + c * y;
    )
}

static void apply_complex(struct state state, long rows, const struct gate *gate, vec c, vec s) {
    PLACES
    vec *restrict re = state.re, *restrict im = state.im;
    const float root = (float)M_SQRT1_2;
    switch (gate->kind) {
    case FLIP: case TURN_Y:
        apply_real(re, rows, gate, c, s);
        apply_real(im, rows, gate, c, s);
        break;
    case SWAP:
        EACH_ROW(
            long pair = row ^ mask;
            vec x = re[row]; vec y = im[row];
            re[row] = re[pair]; im[row] = im[pair]; re[pair] = x; im[pair] = y;
        )
        break;
    case HADAMARD:
        EACH_ROW(
            vec xr = re[row]; vec xi = im[row]; vec yr = re[row + half]; vec yi = im[row + half];
            re[row] = root * (xr + yr); im[row] = root * (xi + yi);
            re[row + half] = root * (xr - yr); im[row + half] = root * (xi - yi);
        )
        break;
    case PHASE: case TURN_Z: case TURN_ZZ:
        EACH_ROW(
            vec turn = gate->kind == PHASE ? s : -sign(gate, row) * s;
            vec x = re[row]; vec y = im[row];
            re[row] = c * x - turn * y; im[row] = turn * x + c * y;
        )
        break;
    default: /* TURN_X, TURN_XX, TURN_YY: cos - i sin P on a row and its partner */
        EACH_ROW(
            long pair = row ^ mask;
            vec turn = gate->kind == TURN_YY ? sign(gate, row) * s : s;
            vec xr = re[row]; vec xi = im[row]; vec yr = re[pair]; vec yi = im[pair];
            re[row] = c * xr + turn * yi; im[row] = c * xi - turn * yr;
            re[pair] = c * yr + turn * xi; im[pair] = c * yi - turn * xr;
        )
    }
}

/* Apply a gate, or undo it (direction -1). */
static void apply(struct state state, long rows, const struct gate *gate, const float *angles, float direction) {
    vec c = {0}, s = {0};
    for (int k = 0; k < LANES && gate->angle >= 0; k++) {
        float angle = angles[gate->angle * LANES + k] * (gate->kind == PHASE ? 1 : 0.5f);
        c[k] = cosf(angle);
        s[k] = direction * sinf(angle);
    }
    if (state.im) apply_complex(state, rows, gate, c, s);
    else apply_real(state.re, rows, gate, c, s);
}

/* Derivative by a gate's angle: Im <co|P|state> of a rotation about P, -2 Im <co|1><1|state> of a phase. */
static vec derivative(struct state co, struct state state, long rows, const struct gate *gate) {
    PLACES
    const vec *xr = co.re, *xi = co.im, *ar = state.re, *ai = state.im;
    vec sum = {0};
    if (gate->kind == TURN_Y) {
        EACH_ROW(sum += xr[row + half] * ar[row] - xr[row] * ar[row + half];)
        if (xi) EACH_ROW(sum += xi[row + half] * ai[row] - xi[row] * ai[row + half];)
    } else if (is_diagonal(gate)) {
        EACH_ROW(
            vec imaginary = xr[row] * ai[row] - xi[row] * ar[row];
            sum += (gate->kind == PHASE ? -2 : sign(gate, row)) * imaginary;
        )
    } else EACH_ROW(
        long pair = row ^ mask;
        vec imaginary = xr[row] * ai[pair] - xi[row] * ar[pair] + xr[pair] * ai[row] - xi[pair] * ar[row];
        sum += (gate->kind == TURN_YY ? sign(gate, row) : 1) * imaginary;
    )
    return sum;
}

/* Values <Z> (qubits,) of one chunk, and the slopes (trained angles,) of sum(cotangent * <Z>). `state` is at its start. */
static void chunk_step(struct state state, struct state co, int qubits, int gates, const struct gate *list, int trained,
                       const float *angles, const vec *cotangent, vec *values, vec *slopes) {
    const long rows = 1L << qubits;
    for (int g = 0; g < gates; g++) apply(state, rows, list + g, angles, 1);
    for (long row = 0; row < rows; row++) {
        vec probability = state.re[row] * state.re[row], factor = {0};
        if (state.im) probability += state.im[row] * state.im[row];
        for (int q = 0; q < qubits; q++) {
            float z = row >> q & 1 ? -1 : 1;
            values[q] += z * probability;
            factor += z * cotangent[q];
        }
        co.re[row] = factor * state.re[row];
        if (state.im) co.im[row] = factor * state.im[row];
    }
    for (int g = gates - 1; g >= 0; g--) {
        const struct gate *gate = list + g;
        if (gate->angle >= 0 && gate->angle < trained) slopes[gate->angle] += derivative(co, state, rows, gate);
        apply(state, rows, gate, angles, -1);
        apply(co, rows, gate, angles, -1);
    }
}

/* One step of all chunks. Arrays are (chunks, …, 8) on addresses of 32 bytes. `starts` NULL means |0…0>. `slopes` and
 * `values` hold zeros. The first `trained` of the angles get slopes. */
void step(int chunks, int qubits, int is_complex, int gates, const struct gate *list, int trained, int angle_count,
          const vec *starts, const float *angles, const vec *cotangent, vec *values, vec *slopes) {
    const size_t rows = (size_t)1 << qubits;
    const size_t parts = is_complex ? 4 : 2;
#pragma omp parallel for schedule(static)
    for (int chunk = 0; chunk < chunks; chunk++) {
        const size_t at = (size_t)chunk;
        vec *memory = aligned_alloc(64, rows * sizeof(vec) * parts);
        struct state state = {memory, is_complex ? memory + 2 * rows : NULL};
        struct state co = {memory + rows, is_complex ? memory + 3 * rows : NULL};
        memset(memory, 0, rows * sizeof(vec) * parts);
        if (starts) memcpy(state.re, starts + at * rows, rows * sizeof(vec));
        else state.re[0] += 1;
        chunk_step(state, co, qubits, gates, list, trained, angles + at * (size_t)angle_count * LANES,
                   cotangent + at * (size_t)qubits, values + at * (size_t)qubits, slopes + at * (size_t)angle_count);
        free(memory);
    }
}
