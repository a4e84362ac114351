"""Protocols, one file each: a foreign request becomes our own, and a job the reply that its client knows."""

from typing import TYPE_CHECKING, Protocol

from pai_modelscope.serving.apis.dashscope import DashScopeApi
from pai_modelscope.serving.apis.eas import EasApi
from pai_modelscope.serving.apis.huggingface import HuggingFaceApi
from pai_modelscope.serving.apis.jobs import JobsApi
from pai_modelscope.serving.apis.mcp import McpApi
from pai_modelscope.serving.apis.modelscope import ModelScopeApi
from pai_modelscope.serving.apis.modelscope_server import ModelScopeServerApi
from pai_modelscope.serving.apis.openai import OpenAiApi
from pai_modelscope.serving.apis.webui import WebUiApi

if TYPE_CHECKING:
    from fastapi import APIRouter

    from pai_modelscope.serving.service import Service


class Api(Protocol):
    """A protocol: its paths, over a service."""

    def router(self, service: "Service") -> "APIRouter": ...


APIS: tuple[Api, ...] = (
    JobsApi(),
    OpenAiApi(),
    ModelScopeApi(),
    ModelScopeServerApi(),
    DashScopeApi(),
    HuggingFaceApi(),
    EasApi(),
    McpApi(),
    WebUiApi(),
)
