/** A driver's request in the wire form of chat completions. */
import type {
  ChatCompletionCreateParamsBase,
  ChatCompletionMessageParam,
  ChatCompletionMessageToolCall,
  ChatCompletionTool,
} from "openai/resources/chat/completions/completions";
import type { ChatMessage, ChatRequest, ChatTool, ChatToolCall } from "../driver/chat.js";
import type { RouterSettings } from "./options.js";

/** The body of a request, but for `stream`. No tools = no `tools`: an empty list is refused by some endpoints. */
export function bodyOf(request: ChatRequest, settings: RouterSettings): ChatCompletionCreateParamsBase {
  const { model, temperature, maxTokens, extraBody } = settings;
  return {
    model,
    messages: request.messages.map(messageOf),
    ...(request.tools.length > 0 && { tools: request.tools.map(toolOf) }),
    ...(temperature !== undefined && { temperature }),
    ...(maxTokens !== undefined && { max_completion_tokens: maxTokens }),
    ...extraBody,
  };
}

function toolOf({ name, description, parameters }: ChatTool): ChatCompletionTool {
  return { type: "function", function: { name, description, parameters: { ...parameters } } };
}

function messageOf(message: ChatMessage): ChatCompletionMessageParam {
  switch (message.role) {
    case "tool":
      return { role: "tool", tool_call_id: message.toolCallId, content: message.content };
    case "assistant": {
      if (message.toolCalls.length === 0) return { role: "assistant", content: message.content };
      const content = message.content === "" ? null : message.content;
      return { role: "assistant", content, tool_calls: message.toolCalls.map(toolCallOf) };
    }
    default:
      return { role: message.role, content: message.content };
  }
}

function toolCallOf(call: ChatToolCall): ChatCompletionMessageToolCall {
  return { id: call.id, type: "function", function: { name: call.name, arguments: argumentsOf(call.arguments) } };
}

/** Arguments as the model wrote them. Those that are no JSON are wrapped: some endpoints refuse a conversation that holds them. */
function argumentsOf(text: string): string {
  try {
    JSON.parse(text);
    return text;
  } catch {
    return text === "" ? "{}" : JSON.stringify({ unparsable: text });
  }
}
