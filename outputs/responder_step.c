/* responder_step.c - each step is told once. The sensor's end of the line may be full for a moment, or
 * gone: hooks do not wait for it. What finds no room waits here, and as long as something does no
 * alert is taken: so alerts stay in the line until it is full, and the sensor refuses the next one
 * with a record. What finds no room here either (hooks go on) is counted, and the count told with
 * the next. */
#include "outputs/responder_inside.h"

#include "base/log.h"

#include <errno.h>
#include <unistd.h>

void responder_tell(struct responder *it, const struct response_step *step)
{
    if (it->gone && !it->stopping) {
        return;
    }
    if (responder_tell_waiting(it) && wire_send_step(it->fd, step, it->steps_lost) != WIRE_FULL) {
        return;
    }
    if (it->untold_count == RESPONDER_UNTOLD_MAX) {
        it->steps_lost++;
        return;
    }
    it->untold[(it->untold_first + it->untold_count++) % RESPONDER_UNTOLD_MAX] = *step;
}

bool responder_tell_waiting(struct responder *it)
{
    while (it->untold_count > 0 &&
           wire_send_step(it->fd, &it->untold[it->untold_first], it->steps_lost) != WIRE_FULL) {
        it->untold_first = (it->untold_first + 1) % RESPONDER_UNTOLD_MAX;
        it->untold_count--;
    }
    return it->untold_count == 0;
}

struct response_step responder_step_of(const struct responder *it, const struct job *job,
                                       enum step step)
{
    const struct response_decision *decision = &it->decisions[job - it->jobs];
    struct response_step told = response_step_of(decision, step);
    uint64_t now_ns = hook_clock_ns();

    told.left_ns = decision->expires_ns > now_ns ? decision->expires_ns - now_ns : 0;
    told.attempt = job->attempt;
    told.revokes = job->state == JOB_ENDING || job->state == JOB_REVOKING;
    return told;
}

struct response_step responder_surplus_step(const struct responder *it,
                                            const struct surplus *surplus)
{
    struct response_step told = {.step = STEP_RECONCILED,
                                 .revokes = true,
                                 .binding = surplus->hook->binding,
                                 .target = surplus->target};

    (void)it;
    (void)snprintf(told.reason, sizeof told.reason, "the hook had it, and no decision asks for it");
    return told;
}

void responder_step_result(struct response_step *step, const struct hook_result *result)
{
    step->pid = result->pid;
    step->has_exit = result->has_exit;
    step->exit_code = result->exit_status;
    step->duration_ns = result->duration_ns;
    (void)snprintf(step->error, sizeof step->error, "%s", result->error);
}

bool responder_is_stopped(void *owner)
{
    const struct responder *it = owner;
    const char *file = it->options.conf->stop_file;

    /* Where it cannot be looked for it may be. */
    return file[0] != '\0' && (access(file, F_OK) == 0 || (errno != ENOENT && errno != ENOTDIR));
}
