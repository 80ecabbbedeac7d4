"""The types of the API: dataclasses of what it answers, typed dictionaries of what it is asked.

Words such as a `status` may grow by new ones, and answers by new members; those are left aside here.

Written by sdk/python/generate from docs/openapi.json: change nothing here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Optional, TypedDict, Union


@dataclass(frozen=True)
class FieldError:
    """One bad field."""

    field: str
    """Where it is: `scopes[1]`, `scope.publisher_id`."""
    code: str
    """What is wrong with it. New codes may be added."""
    detail: str
    """The same in words; never the value."""


@dataclass(frozen=True)
class Problem:
    """Why a request was not carried out (RFC 9457). Nothing internal, no secret and no value from the request
    ever appears in one."""

    type: str
    """A name of this kind of problem, `urn:keywright:problem:CODE`, or `urn:keywright:denial:CODE` when the
    caller's credential was denied."""
    title: str
    """The same in words, alike for every occurrence."""
    status: int
    """The status of the answer."""
    detail: str
    """What it was in this case."""
    code: str
    """The stable code to act upon. New ones may be added."""
    request_id: str
    """The request that this answers, as in `X-Request-Id` and the logs."""
    errors: Optional[tuple[FieldError, ...]] = None
    """Every bad field at once; absent when no field is to blame."""


class SetRateLimits(TypedDict, total=False):
    """How often a credential may be used."""

    per_minute: Optional[int]
    """Uses in any minute; null is unlimited."""
    per_hour: Optional[int]
    """Uses in any hour; null is unlimited."""


class _CreateServiceTokenNeeded(TypedDict):
    token_name: str
    """Its name, unique among tokens that are not revoked."""


class CreateServiceToken(_CreateServiceTokenNeeded, total=False):
    """A new service token."""

    permissions: Sequence[str]
    """What it may do; nothing that the caller lacks."""
    scopes: Sequence[str]
    """The same as `permissions`, which is then left out."""
    expires_at: Optional[datetime]
    """When its life ends; null is never. Left out together with `expires_in_days`, the server's default
    applies."""
    expires_in_days: Optional[int]
    """How many days it lives, instead of `expires_at`; null is for ever."""
    metadata: Optional[Mapping[str, Any]]
    """Free-form notes, at most 8 KiB."""
    service_account_id: Optional[str]
    """The service account that it belongs to; without one it stands alone, at platform level."""
    rate_limits: Optional[SetRateLimits]
    """Its own limits, within its account's; null is none of its own."""
    ip_allowlist: Optional[Sequence[str]]
    """The networks that it may be used from, within its account's; null or none is no bound of its own."""


TokenStatus = Literal["active", "superseded", "inactive", "expired", "revoked"]
"""State of a token."""


@dataclass(frozen=True)
class RateLimits:
    """How often a credential may be used. Null is unlimited."""

    per_minute: Optional[int]
    """Uses in any minute."""
    per_hour: Optional[int]
    """Uses in any hour."""


ActorType = Literal["service_account", "service_token", "user", "external", "operator", "system"]
"""Kind of actor behind a call or a change."""


@dataclass(frozen=True)
class Actor:
    """Who called or changed something. The operator and Keywright's own jobs have no id."""

    type: ActorType
    """Its kind."""
    id: Optional[str]
    """Its id, when it has one."""
    name: Optional[str]
    """Its name at that time, when it has one."""


@dataclass(frozen=True)
class ServiceToken:
    """A service token. Its secret is not in here; see `CreatedServiceToken`."""

    id: str
    """Its id."""
    token_name: str
    """Its name, unique among tokens that are not revoked."""
    token_hint: str
    """What may be shown of the secret: prefix, first 4 and last 4 characters."""
    permissions: tuple[str, ...]
    """What it lets its bearer do."""
    status: TokenStatus
    """Its state at the moment of the answer."""
    is_active: bool
    """Whether it is switched on."""
    metadata: Mapping[str, Any]
    """Free-form notes, at most 8 KiB."""
    service_account_id: Optional[str]
    """The account it belongs to; null when it stands alone."""
    rate_limits: Optional[RateLimits]
    """Its limits; null is unlimited."""
    ip_allowlist: Optional[tuple[str, ...]]
    """The networks it may be used from; null is any."""
    expires_at: Optional[datetime]
    """When its life ends; null is never."""
    usage_count: int
    """How often it was used."""
    last_used_at: Optional[datetime]
    """When it was used last; null is never."""
    rotated_from_id: Optional[str]
    """The token that this one replaced."""
    superseded_by_id: Optional[str]
    """The token that replaced this one."""
    grace_expires_at: Optional[datetime]
    """When a superseded token stops working."""
    revoked_at: Optional[datetime]
    """When it was revoked."""
    revoked_reason: Optional[str]
    """Why it was revoked."""
    created_by: Actor
    """Who made it."""
    created_at: datetime
    """When it was made."""


@dataclass(frozen=True)
class CreatedServiceToken(ServiceToken):
    """A service token as the answer that creates or rotates it shows it, and no other answer."""

    token: Optional[str] = field(default=None, repr=False)
    """The secret, `sk_` and 64 hexadecimal digits; shown this once. Left out when an answer is repeated for
    its idempotency key after the secret is gone."""


class ServiceTokenFilter(TypedDict, total=False):
    """What a list can be narrowed by: Service tokens, newest first."""

    service_account_id: str
    """Only tokens of this service account."""
    status: Literal["active", "superseded", "inactive", "expired", "revoked"]
    """Only tokens in this state."""
    name: str
    """Only the token with exactly this name."""
    q: str
    """Only tokens whose name contains this, in any case."""
    expiring_within_days: int
    """Only live tokens that expire within so many days."""


class _RotateServiceTokenNeeded(TypedDict):
    reason: str
    """Why; it goes into the audit trail."""


class RotateServiceToken(_RotateServiceTokenNeeded, total=False):
    """A rotation by hand."""

    grace_seconds: Optional[int]
    """How long the old secret goes on working: at most 30 days, never past its own expiry. 24 hours when left
    out."""
    expires_at: Optional[datetime]
    """When the new token's life ends; null is never. When left out it lives as long as the old one did,
    counted from now."""


ServiceType = Literal["platform", "partner", "internal", "ci_cd", "analytics", "mobile"]
"""What kind of system a service account stands for."""


class _CreateServiceAccountNeeded(TypedDict):
    name: str
    """Its name, unique within the publisher, or at platform level."""
    service_type: ServiceType
    """What it stands for."""
    scopes: Sequence[str]
    """What its tokens may do at most; nothing that the caller lacks."""


class CreateServiceAccount(_CreateServiceAccountNeeded, total=False):
    """A new service account."""

    description: str
    """What it is for."""
    publisher_id: Optional[str]
    """The publisher that it belongs to. Left out, it is that of the caller, or none: then it acts for all."""
    rate_limits: Optional[SetRateLimits]
    """How often its tokens may be used together; null is unlimited."""
    ip_allowlist: Optional[Sequence[str]]
    """The networks that its tokens may be used from; null or none is any."""
    owner_email: Optional[str]
    """Whom to ask about it."""
    metadata: Optional[Mapping[str, Any]]
    """Free-form notes, at most 8 KiB; handed to whoever verifies one of its tokens."""


AccountStatus = Literal["active", "disabled"]
"""State of a service account."""


@dataclass(frozen=True)
class ServiceAccount:
    """A service account: the identity of an external system."""

    id: str
    """Its id."""
    publisher_id: Optional[str]
    """The publisher that it belongs to; null at platform level."""
    name: str
    """Its name, unique within the publisher, or at platform level."""
    description: str
    """What it is for."""
    service_type: ServiceType
    """What it stands for."""
    status: AccountStatus
    """Its state."""
    scopes: tuple[str, ...]
    """What its tokens may do at most."""
    rate_limits: Optional[RateLimits]
    """How often they may be used together; null is unlimited."""
    ip_allowlist: Optional[tuple[str, ...]]
    """The networks that they may be used from; null is any."""
    owner_email: Optional[str]
    """Whom to ask about it."""
    metadata: Mapping[str, Any]
    """Free-form notes, at most 8 KiB; handed to whoever verifies one of its tokens."""
    disabled_at: Optional[datetime]
    """Since when it is disabled."""
    disabled_reason: Optional[str]
    """Why it is disabled."""
    created_by: Actor
    """Who made it."""
    created_at: datetime
    """When it was made."""
    updated_at: datetime
    """When it was changed last."""


class ServiceAccountFilter(TypedDict, total=False):
    """What a list can be narrowed by: Service accounts, newest first; within a publisher its own."""

    publisher_id: str
    """Only those of this publisher."""
    status: Literal["active", "disabled"]
    """Only accounts in this state."""
    service_type: Literal["platform", "partner", "internal", "ci_cd", "analytics", "mobile"]
    """Only accounts of this kind."""
    name: str
    """Only the accounts with exactly this name."""
    q: str
    """Only accounts whose name contains this, in any case."""


class _CreateAccountTokenNeeded(TypedDict):
    token_name: str
    """Its name, unique among the tokens of the account that are not revoked."""


class CreateAccountToken(_CreateAccountTokenNeeded, total=False):
    """A new token of the service account in the path."""

    permissions: Sequence[str]
    """What it may do; nothing that the caller lacks."""
    scopes: Sequence[str]
    """The same as `permissions`, which is then left out."""
    expires_at: Optional[datetime]
    """When its life ends; null is never. Left out together with `expires_in_days`, the server's default
    applies."""
    expires_in_days: Optional[int]
    """How many days it lives, instead of `expires_at`; null is for ever."""
    metadata: Optional[Mapping[str, Any]]
    """Free-form notes, at most 8 KiB."""
    rate_limits: Optional[SetRateLimits]
    """Its own limits, within its account's; null is none of its own."""
    ip_allowlist: Optional[Sequence[str]]
    """The networks that it may be used from, within its account's; null or none is no bound of its own."""


class AccountTokenFilter(TypedDict, total=False):
    """What a list can be narrowed by: Tokens of a service account, newest first."""

    status: Literal["active", "superseded", "inactive", "expired", "revoked"]
    """Only tokens in this state."""
    name: str
    """Only the token with exactly this name."""
    q: str
    """Only tokens whose name contains this, in any case."""
    expiring_within_days: int
    """Only live tokens that expire within so many days."""


class _CreatePersonalTokenNeeded(TypedDict):
    name: str
    """Its name, unique among the caller's tokens that are not revoked."""


class CreatePersonalToken(_CreatePersonalTokenNeeded, total=False):
    """A new personal token. It carries chosen `scopes`, or all that its owner may
    (`inherit_user_permissions`)."""

    scopes: Sequence[str]
    """What it carries at most; nothing that the caller lacks in a publisher that it is for."""
    inherit_user_permissions: bool
    """Whether it carries all that its owner may do at the moment of each use."""
    publisher_ids: Optional[Sequence[str]]
    """The publishers that it is for; null, and left out, is all of the caller's."""
    expires_at: Optional[datetime]
    """When its life ends; null is never. Left out together with `expires_in_days`, the server's default
    applies."""
    expires_in_days: Optional[int]
    """How many days it lives, instead of `expires_at`; null is for ever."""
    rate_limits: Optional[SetRateLimits]
    """How often it may be used; null is unlimited."""
    ip_allowlist: Optional[Sequence[str]]
    """The networks that it may be used from; null, and none, is from anywhere."""


ApprovalState = Literal["not_required", "pending", "approved"]
"""Whether a token may be used within a publisher, as far as that one wants to approve it."""


@dataclass(frozen=True)
class TokenApproval:
    """What a publisher says of a token."""

    publisher_id: str
    """The publisher."""
    approval: ApprovalState
    """Whether the token may be used there."""
    approved_at: Optional[datetime]
    """When it was approved."""


@dataclass(frozen=True)
class PersonalToken:
    """A personal access token. Its secret is not in here; see `CreatedPersonalToken`."""

    id: str
    """Its id."""
    user_id: str
    """Whose it is."""
    name: str
    """Its name, unique among the owner's tokens that are not revoked."""
    token_hint: str
    """What may be shown of the secret: prefix, first 4 and last 4 characters."""
    scopes: tuple[str, ...]
    """What it carries at most; it carries what its owner may do of that at the moment of each use. Empty when
    it inherits."""
    inherit_user_permissions: bool
    """Whether it carries all that its owner may do at the moment of each use."""
    publisher_ids: Optional[tuple[str, ...]]
    """The publishers that it is for; null is all of the owner's."""
    excluded_publisher_ids: tuple[str, ...]
    """Publishers whose administrators took it out: it is of no use there."""
    approvals: tuple[TokenApproval, ...]
    """What the publishers that it is for, and that the owner belongs to, say of it."""
    status: TokenStatus
    """Its state at the moment of the answer; inactive also while approval is waited for wherever it is
    for."""
    is_active: bool
    """Whether it is switched on."""
    rate_limits: Optional[RateLimits]
    """Its limits; null is unlimited."""
    ip_allowlist: Optional[tuple[str, ...]]
    """The networks it may be used from; null is any."""
    expires_at: Optional[datetime]
    """When its life ends; null is never. A publisher may end it sooner, for itself."""
    usage_count: int
    """How often it was used."""
    last_used_at: Optional[datetime]
    """When it was used last; null is never."""
    rotated_from_id: Optional[str]
    """The token that this one replaced."""
    superseded_by_id: Optional[str]
    """The token that replaced this one."""
    grace_expires_at: Optional[datetime]
    """When a superseded token stops working."""
    revoked_at: Optional[datetime]
    """When it was revoked."""
    revoked_reason: Optional[str]
    """Why it was revoked."""
    created_by: Actor
    """Who made it."""
    created_at: datetime
    """When it was made."""
    updated_at: datetime
    """When it was changed last."""


@dataclass(frozen=True)
class CreatedPersonalToken(PersonalToken):
    """A personal token as the answer that creates or rotates it shows it, and no other answer."""

    token: Optional[str] = field(default=None, repr=False)
    """The secret, `pat_`, 64 hexadecimal digits and 8 of checksum; shown this once. Left out when an answer
    is repeated for its idempotency key after the secret is gone."""


class PersonalTokenFilter(TypedDict, total=False):
    """What a list can be narrowed by: The caller's own personal tokens, newest first."""

    status: Literal["active", "superseded", "inactive", "expired", "revoked"]
    """Only tokens in this state."""
    name: str
    """Only the token with exactly this name."""
    q: str
    """Only tokens whose name contains this, in any case."""
    publisher_id: str
    """Only tokens that are for this publisher."""
    expiring_within_days: int
    """Only live tokens that expire within so many days."""
    never_used: bool
    """Only tokens that were never used, or only those that were."""


TokenType = Literal["service", "personal", "user", "external"]
"""Kind of credential."""


PrincipalType = Literal["service_account", "service_token", "user", "external"]
"""Kind of principal that a credential speaks for."""


@dataclass(frozen=True)
class Principal:
    """Who a verified credential speaks for."""

    type: PrincipalType
    """Its kind."""
    id: str
    """Its id."""
    name: str
    """Its name."""


RateWindow = Literal["minute", "hour"]
"""Window of a rate limit."""


@dataclass(frozen=True)
class RateLimit:
    """The state of a limit."""

    window: RateWindow
    """Its window."""
    limit: int
    """Units in any window."""
    remaining: int
    """Units left now."""
    reset_seconds: int
    """Seconds until all units are back."""


@dataclass(frozen=True)
class RotationState:
    """Where a credential stands in its rotation."""

    superseded: bool
    """Whether another credential replaced it."""
    grace_expires_at: Optional[datetime]
    """When it then stops working."""


@dataclass(frozen=True)
class Keepable:
    """What a cache may keep of a decision, so that it can decide on the credential's next uses by itself. It
    is there where `cacheable` asked for it and the decision may be kept: the credential is valid, a service
    or a personal token, and has no rate limit."""

    node: str
    """The boot of the node that decided: the decision may be kept by those who listen to the stream of this
    one."""
    for_microseconds: int
    """How long from the decision on it may be kept at most, in microseconds; it never outlives the
    credential."""
    decided_at: datetime
    """When it was made, by the authority's time."""
    depends_on: tuple[str, ...]
    """What the decision depends on, by the node's marks: a change of any of them ends it."""
    ip_allowlists: tuple[tuple[str, ...], ...]
    """The networks that the credential may be used from: the address must lie within each list."""
    voucher: str
    """What a report of the decisions made by it names the credential by. It opens nothing."""


@dataclass(frozen=True)
class ValidDecision:
    """A valid credential, and what it stands for."""

    valid: Literal[True]
    code: Literal["valid"]
    """The code of a valid credential."""
    token_type: TokenType
    """Its kind."""
    credential_id: str
    """Its id."""
    name: str
    """Its name."""
    principal: Principal
    """Who it speaks for."""
    publisher_id: Optional[str]
    """The publisher that was decided for; null at platform level."""
    publishers: tuple[str, ...]
    """The publishers in which it is valid; empty at platform level."""
    scopes: tuple[str, ...]
    """What it may do."""
    expires_at: Optional[datetime]
    """When its life ends; null is never."""
    rate_limit: Optional[RateLimit]
    """Its tightest limit; null is unlimited."""
    rotation: RotationState
    """Whether it is about to be replaced."""
    context: Mapping[str, Any]
    """What else its kind has to tell, and the metadata of credential and account."""
    request_id: str
    """The request that this answers."""
    cache: Optional[Keepable] = None
    """What a cache may keep of it; absent where it was not asked for, or may not be kept."""

    def __bool__(self) -> bool:
        return self.valid


DenialCode = Literal[
    "malformed",
    "not_found",
    "revoked",
    "expired",
    "inactive",
    "principal_disabled",
    "publisher_suspended",
    "ip_not_allowed",
    "wrong_publisher",
    "rate_limited",
    "insufficient_scope",
]
"""Why a credential was denied, in the order in which they are looked at."""


@dataclass(frozen=True)
class Denial:
    """A denied credential. Of one that is `malformed` or `not_found` nothing is told but the code; of others
    what helps their owner to act."""

    valid: Literal[False]
    code: DenialCode
    """The first reason that applies."""
    request_id: str
    """The request that this answers."""
    token_type: Optional[TokenType] = None
    """Its kind."""
    credential_id: Optional[str] = None
    """Its id."""
    name: Optional[str] = None
    """Its name."""
    principal: Optional[Principal] = None
    """Who it speaks for."""
    expires_at: Optional[datetime] = None
    """When its life ends or ended."""
    rate_limit: Optional[RateLimit] = None
    """The limit that is used up, with `rate_limited`."""
    rotation: Optional[RotationState] = None
    """Whether it was replaced, and until when it worked or works."""
    missing_scopes: Optional[tuple[str, ...]] = None
    """What it lacks, with `insufficient_scope`."""

    def __bool__(self) -> bool:
        return self.valid


Decision = Union[ValidDecision, Denial]
"""The outcome of a verification."""


class Facts(TypedDict, total=False):
    """What a verification says beside the credential: what it must carry, and the facts of the request."""

    required_scopes: Optional[Sequence[str]]
    """Permissions that it must all have."""
    any_scopes: Optional[Sequence[str]]
    """Permissions of which it must have one."""
    publisher_id: Optional[str]
    """The publisher to decide for. Left out: the credential's only one, else its owner's default."""
    ip_address: Optional[str]
    """The address that the original request came from. One that is malformed counts as unknown."""
    user_agent: Optional[str]
    """Its `User-Agent`; kept up to 512 characters."""
    method: Optional[str]
    """Its method."""
    endpoint: Optional[str]
    """Its path; kept up to 1,024 characters."""
    cloudflare_ray_id: Optional[str]
    """Its `CF-Ray`."""
    cost: Optional[int]
    """Units to take from the rate limit; 1 when left out, 0 looks without taking."""
    cacheable: Optional[bool]
    """Whether the answer should tell what a cache may keep of it. Of the caller's own credential nothing may
    be."""


class VerifyItem(Facts):
    """One verification of a batch."""

    token: str
    """The credential to decide on; any text, since a wrong one is `malformed`."""
