"""The API of AUTOMATIC1111's Stable Diffusion WebUI, under `/sdapi/v1` and `/controlnet`.

Reference: `modules/api/api.py` and `models.py` of the WebUI 1.10, `scripts/api.py` of sd-webui-controlnet, and the
client `webuiapi`.
"""

from pai_modelscope.serving.apis.webui.router import WebUiApi

__all__ = ["WebUiApi"]
