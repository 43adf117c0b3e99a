"""The key of the tests' mock servers, and a patience that fits them."""

TOKEN = "tok-5f3a9c71e2d84b60"
FAST = {
    "poll_interval_s": 0.02,
    "settle_s": 0.15,
    "retry_s": 3.0,
    "deadline_s": 20.0,
    "request_timeout_s": 10.0,
}
